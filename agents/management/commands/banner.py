from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents.announcement import CHECK_EVERY, set_announcement
from agents.models import Announcement
from core.text import has_forbidden_character

LONGEST = 500
NBSP = "\N{NO-BREAK SPACE}"


class Command(BaseCommand):
    help = "Affiche une annonce en haut de chaque page, la retire, ou dit celle qui est affichée."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("text", nargs="?", default="", help="l’annonce, en une ou deux phrases")
        parser.add_argument(
            "--en", default="", help="la même en anglais\N{NO-BREAK SPACE}; sinon le français s’affiche"
        )
        parser.add_argument("--remove", action="store_true", help="retire l’annonce")

    def handle(self, *args: Any, **options: Any) -> None:
        text, english = options["text"].strip(), options["en"].strip()
        if any(len(one) > LONGEST or has_forbidden_character(one) for one in (text, english)):
            raise CommandError(f"L’annonce compte {LONGEST}{NBSP}caractères au plus, sur une seule ligne.")
        if (english or options["remove"]) and bool(text) == options["remove"]:
            raise CommandError("Donnez le texte en français, ou --remove seul.")
        if text or options["remove"]:
            set_announcement(text_fr=text, text_en=english)
            self.stdout.write(
                f"C’est fait{NBSP}: chaque page en tient compte dans les {CHECK_EVERY:.0f}{NBSP}secondes."
            )
            return
        announcement = Announcement.objects.first()
        self.stdout.write(
            f"{announcement}\n{announcement.text_en}" if announcement else "Aucune annonce n’est affichée."
        )
