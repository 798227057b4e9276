from django.urls import path

from assistance import views

urlpatterns = [
    path("assistance/", views.AssistanceView.as_view(), name="assistance"),
    path("assistance/envoyee/", views.AssistanceSentView.as_view(), name="assistance-sent"),
]
