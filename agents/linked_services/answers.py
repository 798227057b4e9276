"""Answers of linked services in words; the answer itself is shown beside them, for the directory's administrator."""

import re

from provisioning.enums import SUSPENDED_ELSEWHERE

CODE = re.compile(r"(?:HTTP )?(\d{1,3})\b")
#: Of RFC 4511.
LDAP = {
    8: "L’annuaire demande une connexion plus sûre.",
    13: "L’annuaire demande une connexion chiffrée.",
    17: "L’annuaire ne connaît pas un des attributs.",
    19: "L’annuaire refuse une des valeurs.",
    20: "L’annuaire a déjà une des valeurs.",
    21: "Une des valeurs n’a pas la forme que l’annuaire attend.",
    34: "L’identifiant ne convient pas à l’annuaire.",
    49: "L’annuaire refuse le mot de passe du portail.",
    50: "Le portail n’a pas le droit d’écrire cette fiche.",
    51: "L’annuaire est occupé.",
    52: "L’annuaire est indisponible.",
    53: "L’annuaire n’accepte pas cette écriture.",
    64: "Le nom de la fiche ne convient pas à l’annuaire.",
    65: "La fiche n’a pas tous les attributs que l’annuaire exige, ou en a trop.",
    69: "La fiche est d’un autre type dans l’annuaire.",
    71: "La fiche est répartie sur plusieurs serveurs.",
}
#: By a part of the answer.
WORDS = {
    SUSPENDED_ELSEWHERE: "L’annuaire suspend ce compte, et ce n’est pas le portail qui l’a demandé.",
    "is of another origin": "Une fiche de ce nom existe déjà, et rien ne prouve que c’est la même personne.",
    "no entry yet": "La fiche n’existe pas encore\N{NO-BREAK SPACE}: un autre système doit la créer.",
    "Certificate": "Le certificat du service n’est pas accepté.",
    "StartTLS": "Le service refuse une connexion chiffrée.",
    "does not exist": "L’endroit où écrire les fiches n’existe pas dans l’annuaire.",
    "Timeout": "Le service ne répond pas à temps.",
}
SILENT = "Le service ne répond pas."
OTHER = "L’écriture n’a pas réussi."


def answer_in_words(answer: str) -> str:
    """Empty for an empty answer."""
    if not answer:
        return ""
    for part, words in WORDS.items():
        if part.lower() in answer.lower():
            return words
    found = CODE.match(answer)
    if answer.startswith("HTTP"):
        return "Le service a répondu par une erreur."
    if found and int(found[1]) in LDAP:
        return LDAP[int(found[1])]
    return SILENT if "Socket" in answer or "Connection" in answer else OTHER
