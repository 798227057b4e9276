"""Search for accounts, and the page of one. Opening an account or its recovery address writes a journal entry."""

import re
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.generic import TemplateView

from accounts.models import Account
from accounts.permissions import AgentPermission, may_act_on, require_may_act_on
from accounts.recovery.corrections import open_correction
from agents import audit
from agents.access import AgentView
from agents.accounts.action_views import FROM_REQUEST
from agents.accounts.forms import AccountSearchForm
from agents.accounts.search import LAST_PAGE, PAGE_SIZE, AccountList, search_accounts
from agents.accounts.timeline import AgentTopic, timeline
from agents.actions import available_actions
from agents.journal.entries import format_entries
from agents.journal.formatting import name_of
from agents.linked_services.lists import replicas_of
from assistance.models import AssistanceRequest
from hr_feed.proposals import waiting_proposal_for

EVENTS_PAGE_SIZE = 20
LAST_MAILS = 5
LAST_REQUESTS = 10
PAGE = re.compile(r"[1-9][0-9]{0,2}")


class AccountsView(AgentView, TemplateView):
    """Results are not counted: counting would cost more than the page."""

    permission_required = AgentPermission.SEE
    template_name = "agents/accounts.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked = self.request.GET
        form, among = AccountSearchForm(asked), AccountList.named(asked.get("etat", ""))
        number = page_number(asked.get("page", ""))
        found: list[Account] = []
        if form.is_valid():
            start = (number - 1) * PAGE_SIZE
            found = list(search_accounts(query=form.cleaned_data["q"], among=among)[start : start + PAGE_SIZE + 1])
        return super().get_context_data(
            **kwargs,
            form=form,
            accounts=found[:PAGE_SIZE],
            lists=AccountList.choices,
            list=among,
            number=number,
            previous=number - 1,
            following=number + 1,
            has_next=len(found) > PAGE_SIZE and number < LAST_PAGE,
        )


def page_number(typed: str) -> int:
    return min(int(typed), LAST_PAGE) if PAGE.fullmatch(typed) else 1


class AgentAccountView(AgentView, TemplateView):
    permission_required = AgentPermission.SEE
    template_name = "agents/account.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        audit.record_account_opened(account=self.account, actor=self.agent)
        return super().get(request, *args, **kwargs)

    @property
    def account(self) -> Account:
        accounts = Account.objects.with_lock().select_related("mailbox", "redirection")
        account: Account = get_object_or_404(accounts, pk=self.kwargs["pk"])
        return account

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        account = self.account
        topic = AgentTopic.named(self.request.GET.get("sujet", ""))
        paginator = Paginator(timeline(account=account, topic=topic), EVENTS_PAGE_SIZE)
        page = paginator.get_page(self.request.GET.get("page"))
        in_words = format_entries(line.entry for line in page if line.entry)
        return super().get_context_data(
            **{
                **related_facts(account),
                "account": account,
                "name": name_of(account),
                "topics": AgentTopic,
                "topic": topic,
                "page": page,
                "lines": [(line, in_words[line.entry.pk] if line.entry else None) for line in page],
                "may_act": may_act_on(self.agent, account),
                "acts": list(available_actions(account, self.agent)),
                "led_by": self.request.GET.get(FROM_REQUEST, ""),
                "address_shown": False,
                **kwargs,
            }
        )


def related_facts(account: Account) -> dict[str, Any]:
    locks = list(account.locks.select_related("locked_by", "released_by").order_by("-locked_at", "-pk"))
    return {
        "redirection": getattr(account, "redirection", None),
        "mailbox": getattr(account, "mailbox", None),
        "lock": next((lock for lock in locks if lock.released_at is None), None),
        "past_locks": [lock for lock in locks if lock.released_at is not None],
        "acceptance": account.charter_acceptances.latest_first().defer("charter__text_fr", "charter__text_en").first(),
        "consent": account.directory_consents.latest_first().first(),
        "sessions": account.sessions.filter(expire_date__gt=timezone.now()).count(),
        "mails": account.messages.order_by("-created_at", "-pk")[:LAST_MAILS],
        "proposal": waiting_proposal_for(account),
        "correction": open_correction(account),
        "replicas": replicas_of(account),
        "requests": AssistanceRequest.objects.filter(account=account).order_by("-asked_at", "-pk")[:LAST_REQUESTS],
    }


class RevealRecoveryAddressView(AgentAccountView):
    permission_required = AgentPermission.REVEAL
    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answers with the page instead of redirecting: reading the address again writes another entry."""
        account = self.account
        require_may_act_on(self.agent, account)
        audit.record_address_read(account=account, actor=self.agent)
        return self.render_to_response(self.get_context_data(address_shown=True))
