"""Mail providers used in France, and typing errors in their domains."""

#: Suggested when the typed domain is close; the most used first.
COMMON_DOMAINS = (
    "gmail.com",
    "orange.fr",
    "hotmail.fr",
    "hotmail.com",
    "outlook.fr",
    "outlook.com",
    "free.fr",
    "yahoo.fr",
    "yahoo.com",
    "wanadoo.fr",
    "laposte.net",
    "sfr.fr",
    "live.fr",
    "live.com",
    "icloud.com",
    "protonmail.com",
    "proton.me",
    "neuf.fr",
    "bbox.fr",
    "aol.com",
    "gmx.fr",
    "numericable.fr",
    "club-internet.fr",
    "msn.com",
    "ik.me",
)

#: Real providers that resemble one of the above: no suggestion.
OTHER_KNOWN_DOMAINS = frozenset(
    """
    9business.fr alice.fr aliceadsl.fr aol.de aol.fr bluewin.ch cegetel.net dbmail.com duck.com email.com etik.com
    fastmail.com fastmail.fm free.com freenet.de gmx.at gmx.ch gmx.com gmx.de gmx.es gmx.it gmx.net gmx.us
    googlemail.com hey.com hotmail.be hotmail.ca hotmail.ch hotmail.co.uk hotmail.de hotmail.es hotmail.it hotmail.nl
    hushmail.com inbox.com infonie.fr jmail.com kmail.com laposte.fr libero.it libertysurf.fr live.be live.ca live.co.uk
    live.de live.it live.nl mac.com mail.be mail.com mail.de mail.fr mail.ru mailfence.com mailo.com mailo.eu me.com
    mel.net modulonet.fr mailoo.org msn.fr netcourrier.com nordnet.fr numericable.com online.fr orange.be orange.com
    ovh.fr ovh.net outlook.be outlook.ca outlook.de outlook.es outlook.it ouvaton.org pm.me posteo.de posteo.net
    protonmail.ch qq.com rocketmail.com sfr.com skynet.be sympatico.ca t-online.de tele2.fr telenet.be tiscali.fr
    tutamail.com tutanota.com tuta.io umail.com uol.com voila.fr web.de yahoo.be yahoo.ca yahoo.co.jp yahoo.co.uk
    yahoo.de yahoo.es yahoo.gr yahoo.it yandex.com yandex.ru ymail.com zaclys.com zohomail.com
    """.split()  # noqa: SIM905 -- a hundred lines otherwise
)

#: Frequent wrong domains of a provider.
MISTAKEN_DOMAINS = {
    "gmail.fr": "gmail.com",
    "googlemail.fr": "gmail.com",
    "icloud.fr": "icloud.com",
    "laposte.com": "laposte.net",
    "orange.net": "orange.fr",
    "protonmail.fr": "protonmail.com",
    "wanadoo.com": "wanadoo.fr",
}

#: Shorter domains have too many valid neighbours at distance two.
SHORTEST_WITH_TWO_ERRORS = len("gmail.com")
SHORTEST_MISSPELT_NAME = len("free")


def intended_domain(typed: str) -> str | None:
    """The provider that a misspelt lower-case domain probably means; None for a known or unlike one."""
    if typed in COMMON_DOMAINS or typed in OTHER_KNOWN_DOMAINS:
        return None
    if typed in MISTAKEN_DOMAINS:
        return MISTAKEN_DOMAINS[typed]
    candidates = [domain for domain in COMMON_DOMAINS if _looks_like(typed, domain)]
    return min(candidates, key=lambda domain: edit_distance(typed, domain), default=None)


def edit_distance(typed: str, meant: str) -> int:
    """Optimal string alignment distance: insertions, deletions, substitutions, transpositions."""
    before_last: list[int] = []
    last = list(range(len(meant) + 1))
    for i, letter in enumerate(typed, start=1):
        current = [i]
        for j, wanted in enumerate(meant, start=1):
            cost = min(last[j] + 1, current[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == meant[j - 2] and typed[i - 2] == wanted:
                cost = min(cost, before_last[j - 2] + 1)
            current.append(cost)
        before_last, last = last, current
    return last[-1]


def _looks_like(typed: str, domain: str) -> bool:
    if abs(len(typed) - len(domain)) > 2:
        return False
    found = edit_distance(typed, domain)
    if found != 1 and not (found == 2 and _two_errors_are_credible(typed, domain)):
        return False
    name = domain.partition(".")[0]
    return len(name) >= SHORTEST_MISSPELT_NAME or typed.startswith(f"{name}.")


def _two_errors_are_credible(typed: str, domain: str) -> bool:
    name = domain.partition(".")[0]
    # The same name in another country is another provider or mailbox.
    another_country = typed.startswith(f"{name}.")
    return len(domain) >= SHORTEST_WITH_TWO_ERRORS and typed[0] == domain[0] and not another_country
