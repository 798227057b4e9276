from django.utils.translation import gettext_lazy as _

from privacy.erasure import keep_relation

keep_relation("replicas", _("ce que les services reliés doivent effacer à leur tour, sans aucune donnée"))
