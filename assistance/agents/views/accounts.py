"""Accounts as agents see them; whoever opens one, or its recovery address, is in its journal."""

import re
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.generic import TemplateView

from accounts.history import Topic, history
from accounts.models import Account
from assistance.agents import opening
from assistance.agents.access import AgentView, may_act_on, require_may_act_on
from assistance.agents.forms.accounts import AccountSearchForm
from assistance.agents.roles import Ability
from assistance.agents.search import LAST_PAGE, ON_A_PAGE, AccountList, accounts_found

EVENTS_ON_A_PAGE = 20
PAGE = re.compile(r"[1-9][0-9]{0,2}")


class AccountsView(AgentView, TemplateView):
    """Find an account. Pages are not counted: counting would cost more than all the rest."""

    ability = Ability.SEE
    template_name = "agents/accounts.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """One page of those found, and whether there is another."""
        asked = self.request.GET
        form, among = AccountSearchForm(asked), AccountList.named(asked.get("etat", ""))
        number = page_number(asked.get("page", ""))
        found: list[Account] = []
        if form.is_valid():
            start = (number - 1) * ON_A_PAGE
            found = list(accounts_found(query=form.cleaned_data["q"], among=among)[start : start + ON_A_PAGE + 1])
        return super().get_context_data(
            **kwargs,
            form=form,
            accounts=found[:ON_A_PAGE],
            lists=AccountList.choices,
            list=among,
            number=number,
            previous=number - 1,
            following=number + 1,
            has_next=len(found) > ON_A_PAGE and number < LAST_PAGE,
        )


def page_number(typed: str) -> int:
    """The page that was asked for; the first when it is none."""
    return min(int(typed), LAST_PAGE) if PAGE.fullmatch(typed) else 1


class AccountView(AgentView, TemplateView):
    """One account: its facts, its state, what happened, and the fate of its mails."""

    ability = Ability.SEE
    template_name = "agents/account.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show it, and note that it was."""
        opening.note_opened(account=self.account, actor=self.agent)
        return super().get(request, *args, **kwargs)

    @property
    def account(self) -> Account:
        """The account of the address."""
        accounts = Account.objects.with_lock().select_related("mailbox", "redirection")
        account: Account = get_object_or_404(accounts, pk=self.kwargs["pk"])
        return account

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The facts, and one page of what happened."""
        account = self.account
        topic = Topic.named(self.request.GET.get("sujet", ""))
        paginator = Paginator(history(account=account, topic=topic), EVENTS_ON_A_PAGE)
        return super().get_context_data(
            **{
                "account": account,
                "redirection": getattr(account, "redirection", None),
                "mailbox": getattr(account, "mailbox", None),
                "lock": account.locks.filter(released_at__isnull=True).first() if account.is_locked else None,
                "consent": account.directory_consents.latest_first().first(),
                "topics": Topic,
                "topic": topic,
                "page": paginator.get_page(self.request.GET.get("page")),
                "may_act": may_act_on(self.agent, account),
                "address_shown": False,
                **kwargs,
            }
        )


class RecoveryAddressView(AccountView):
    """« Afficher »: the recovery address in full, once, and noted."""

    ability = Ability.REVEAL
    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The account's page with the address; not at an address of its own, so that reading it again asks again."""
        account = self.account
        require_may_act_on(self.agent, account)
        opening.note_address_read(account=account, actor=self.agent)
        return self.render_to_response(self.get_context_data(address_shown=True))
