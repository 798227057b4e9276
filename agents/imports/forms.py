"""Forms with which the HR file is uploaded and confirmed."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from core.forms.widgets import CheckboxInput
from hr_feed.parsing.parser import FeedFile, UnreadableFile

EXTENSION = ".csv"
MEGABYTE = 1_000_000

NO_FILE = "Choisissez le fichier à envoyer"


class HrFileForm(forms.Form):
    file = forms.FileField(
        label="Fichier RH, au format CSV",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        error_messages={
            "required": NO_FILE,
            "invalid": NO_FILE,
            "missing": NO_FILE,
            "empty": "Le fichier est vide",
        },
    )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if not str(file.name).lower().endswith(EXTENSION):
            raise ValidationError("Ce n’est pas un fichier .csv\N{NO-BREAK SPACE}: exportez-le au format CSV UTF-8")
        if (file.size or 0) > settings.HR_FILE_LARGEST_MB * MEGABYTE:
            raise ValidationError(
                f"Le fichier dépasse {settings.HR_FILE_LARGEST_MB}\N{NO-BREAK SPACE}Mo\N{NO-BREAK SPACE}: "
                "coupez-le en plusieurs fichiers"
            )
        try:
            FeedFile(file)  # type: ignore[arg-type]  # as good as a stream
        except UnreadableFile as error:
            raise ValidationError(str(error)) from error
        return file


class ApprovalForm(forms.Form):
    distinct = forms.MultipleChoiceField(
        label="Cochez les lignes qui, vérification faite, sont d’autres personnes",
        help_text="Elles auront un compte. Les autres ne sont pas importées.",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "Cette ligne n’est plus à départager. Actualisez la page"},
    )
    sure = forms.BooleanField(
        label="J’ai vérifié\N{NO-BREAK SPACE}: c’est bien ce fichier que je veux importer",
        widget=CheckboxInput,
        error_messages={"required": "Cochez la case si vous avez vérifié que c’est le bon fichier"},
    )

    def __init__(self, *args: Any, is_ordinary: bool, look_alikes: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # mypy knows a Field here; this one is a ChoiceField (attr-defined).
        self.fields["distinct"].choices = look_alikes  # type: ignore[attr-defined]
        if not look_alikes:
            del self.fields["distinct"]
        if is_ordinary:
            del self.fields["sure"]
