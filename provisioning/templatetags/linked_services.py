"""For the templates of lower apps, which do not import this one."""

from django import template

from provisioning import linked_services as services

register = template.Library()
register.simple_tag(services.linked_services)
register.simple_tag(services.services_are_linked)
