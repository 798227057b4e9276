"""The notice of a lock, the link after its release, and the mails that came with them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("outbox", "0003_assistance_received"),
    ]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="kind",
            field=models.CharField(
                choices=[
                    ("activation", "Activation"),
                    ("new-link", "Nouveau lien d’activation"),
                    ("already-active", "Compte déjà actif"),
                    ("locked", "Compte bloqué"),
                    ("account-locked", "Blocage du compte"),
                    ("reactivation", "Compte débloqué"),
                    ("redirection-verification", "Vérification de la redirection"),
                    ("redirection-changed", "Redirection modifiée"),
                    ("password-reset", "Mot de passe oublié"),
                    ("password-changed", "Mot de passe changé"),
                    ("recovery-verification", "Vérification de l’adresse de secours"),
                    ("recovery-changed", "Adresse de secours changée"),
                    ("second-factor-changed", "Double authentification modifiée"),
                    ("account-activated", "Compte activé"),
                    ("activation-reminder", "Rappel d’activation"),
                    ("account-closing", "Fermeture prochaine du compte"),
                    ("assistance-received", "Demande d’assistance reçue"),
                ],
                max_length=40,
                verbose_name="nature",
            ),
        ),
    ]
