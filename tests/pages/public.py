"""Pages for everyone: information, directory, assistance, first connection."""

from django.test import Client
from django.urls import reverse

from core.rate_limits import BAD_LINKS_PER_CLIENT
from tests.assistance.asking import ALL_WRONG, exhaust_request_limit, form_data
from tests.directory.listed import listed_people_called
from tests.pages.registry import PAGES, PageRequest, action, add, page, public_page, refusal

for url in (
    *("home", "help", "accessibility", "privacy", "legal", "sitemap", "locked-help", "assistance", "login"),
    *("single-sign-on-interrupted", "single-sign-on-unavailable", "single-sign-on-nobody", "signed-out"),
    *("first-connection", "forgotten-password", "reminders-stopped", "reactivation-done", "password-reset-done"),
    "directory",
):
    public_page(url)

for url in (
    *("activation-link", "redirection-link", "reminders-link", "reactivation-link", "password-reset-link"),
    *("recovery-address-link", "not-me-link"),
):
    add(PAGES, f"{url}-not-valid", 0, lambda client, url=url: PageRequest(reverse(url, args=["abc"]), status=404))


@page(1)
def answer_of_first_connection(client: Client) -> PageRequest:
    client.post(reverse("first-connection"), {"login": "camille.durand"})
    return PageRequest(reverse("first-connection-answer"))


@page()
def missing_page(client: Client) -> PageRequest:
    return PageRequest(f"{reverse('home')}nulle-part/", status=404)


@page()
def too_many_requests(client: Client) -> PageRequest:
    for _ in range(30):
        BAD_LINKS_PER_CLIENT.hit("127.0.0.1")
    return PageRequest(reverse("activation-link", args=["abc"]), status=429)


@page()
def csrf_failure(client: Client) -> PageRequest:
    client.handler.enforce_csrf_checks = True
    return PageRequest(reverse("first-connection"), {"login": "quelqu.un"}, 403)


@page()
def bad_request(client: Client) -> PageRequest:
    return PageRequest(reverse("first-connection"), {f"field{number}": "x" for number in range(300)}, 400)


@page(2)
def directory_with_several_pages(client: Client) -> PageRequest:
    listed_people_called("Durand", 21)
    return PageRequest(f"{reverse('directory')}?q=durand")


@page(2)
def directory_with_too_many_results(client: Client) -> PageRequest:
    listed_people_called("Durand", 101)
    return PageRequest(f"{reverse('directory')}?q=durand&page=5")


@page(4)
def directory_with_a_typo(client: Client) -> PageRequest:
    listed_people_called("Lefebvre", 1)
    return PageRequest(f"{reverse('directory')}?q=lefevbre")


@page(4)
def directory_without_results(client: Client) -> PageRequest:
    return PageRequest(f"{reverse('directory')}?q=durand")


@refusal()
def directory_searched_for_one_letter(client: Client) -> PageRequest:
    return PageRequest(f"{reverse('directory')}?q=d")


@page(1)
def assistance_sent(client: Client) -> PageRequest:
    client.post(reverse("assistance"), form_data())
    return PageRequest(reverse("assistance-sent"))


@refusal()
def assistance_all_wrong(client: Client) -> PageRequest:
    return PageRequest(reverse("assistance"), ALL_WRONG)


@refusal()
def assistance_throttled(client: Client) -> PageRequest:
    exhaust_request_limit()
    return PageRequest(reverse("assistance"), form_data(), 429)


@action(8)
def ask_for_assistance(client: Client) -> PageRequest:
    return PageRequest(reverse("assistance"), form_data(), 302)


@refusal()
def first_connection_refused(client: Client) -> PageRequest:
    return PageRequest(reverse("first-connection"), {"login": "a b c"})


@action(2)
def ask_for_a_link(client: Client) -> PageRequest:
    return PageRequest(reverse("first-connection"), {"login": "quelqu.un"}, 302)
