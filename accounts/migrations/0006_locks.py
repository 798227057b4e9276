"""What a lock keeps of who asked for it and of its release; once released, nobody changes it any more (HLP-03).

Retention may, under `SET LOCAL portal.retention = 'on'`.
"""

from django.db import migrations, models

CREATE = """
CREATE FUNCTION portal_guard_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('portal.retention', true) = 'on' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION '% is released, and stays as it is', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER lock_kept_once_released BEFORE UPDATE OR DELETE ON accounts_lock
    FOR EACH ROW WHEN (OLD.released_at IS NOT NULL) EXECUTE FUNCTION portal_guard_lock();
"""
DROP = """
DROP TRIGGER lock_kept_once_released ON accounts_lock;
DROP FUNCTION portal_guard_lock();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_erasure"),
    ]

    operations = [
        migrations.AddField(
            model_name="lock",
            name="comment",
            field=models.CharField(blank=True, max_length=500, verbose_name="commentaire"),
        ),
        migrations.AddField(
            model_name="lock",
            name="locked_by_system",
            field=models.CharField(blank=True, max_length=40, verbose_name="bloqué par le système"),
        ),
        migrations.AddField(
            model_name="lock",
            name="number_called",
            field=models.CharField(blank=True, max_length=20, verbose_name="numéro appelé"),
        ),
        migrations.AddField(
            model_name="lock",
            name="proof",
            field=models.CharField(
                blank=True,
                choices=[
                    ("call-back", "Rappel au numéro connu des RH"),
                    ("in-person", "En personne, pièce d’identité"),
                    ("video", "Visio, pièce d’identité"),
                    ("manager", "Confirmation par le responsable"),
                ],
                max_length=20,
                verbose_name="identité vérifiée par",
            ),
        ),
        migrations.AddField(
            model_name="lock",
            name="released_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("phishing-over", "Fin d’incident d’hameçonnage"),
                    ("suspicion-over", "Fin d’activité suspecte"),
                    ("by-mistake", "Blocage par erreur"),
                    ("other", "Autre"),
                ],
                max_length=30,
                verbose_name="motif du déblocage",
            ),
        ),
        migrations.AddField(
            model_name="lock",
            name="report",
            field=models.TextField(blank=True, verbose_name="compte rendu"),
        ),
        migrations.AddField(
            model_name="lock",
            name="reviewed",
            field=models.JSONField(default=list, verbose_name="changements vérifiés"),
        ),
        migrations.AlterField(
            model_name="journalentry",
            name="event",
            field=models.CharField(
                choices=[
                    ("user_created", "Compte créé depuis le fichier RH"),
                    ("user_updated", "Fiche mise à jour depuis le fichier RH"),
                    ("recovery_address_corrected", "Adresse de secours corrigée par les RH"),
                    ("recovery_address_proposed", "Autre adresse de secours proposée par les RH"),
                    ("recovery_address_change_requested", "Changement d’adresse de secours demandé"),
                    ("recovery_address_change_cancelled", "Changement d’adresse de secours abandonné"),
                    (
                        "recovery_address_change_expired",
                        "Changement d’adresse de secours abandonné, faute de confirmation",
                    ),
                    ("recovery_address_changed", "Adresse de secours changée"),
                    ("recovery_address_restored", "Ancienne adresse de secours rétablie"),
                    ("recovery_address_disputed", "Adresse de secours signalée comme erronée"),
                    ("link_requested", "Nouveau lien demandé"),
                    ("assistance_requested", "Demande d’assistance reçue"),
                    ("activation_started", "Activation commencée"),
                    ("charter_accepted", "Charte informatique acceptée"),
                    ("directory_consent_given", "Parution dans l’annuaire public acceptée"),
                    ("directory_consent_refused", "Parution dans l’annuaire public refusée"),
                    ("redirection_chosen", "Redirection choisie"),
                    ("redirection_declined", "Pas de redirection"),
                    ("redirection_verification_requested", "Vérification demandée pour la redirection"),
                    ("redirection_verified", "Adresse de redirection vérifiée"),
                    ("redirection_stopped", "Redirection supprimée"),
                    ("redirection_expired", "Redirection abandonnée, faute de confirmation"),
                    ("mailbox_created", "Boîte universitaire créée"),
                    ("authn_password_change", "Mot de passe choisi"),
                    ("authn_password_change_self", "Mot de passe changé"),
                    ("authn_password_reset", "Mot de passe oublié\xa0: nouveau mot de passe choisi"),
                    ("user_activated", "Compte activé"),
                    ("reminders_stopped", "Rappels d’activation arrêtés"),
                    ("user_deleted", "Données personnelles effacées"),
                    ("data_purged", "Données effacées à la fin de leur durée de conservation"),
                    ("authn_login_success", "Connexion"),
                    ("authn_login_fail", "Échec de connexion"),
                    ("session_ended", "Déconnexion"),
                    ("session_ended_by_owner", "Session fermée à distance"),
                    ("sessions_ended_by_owner", "Sessions fermées à distance"),
                    ("language_chosen", "Langue choisie"),
                    ("sensitive_read", "Copie des données téléchargée"),
                    ("change_disowned", "Signalement\xa0: «\xa0ce n’était pas moi\xa0»"),
                    ("authn_otp_success", "Code de vérification accepté"),
                    ("authn_otp_fail", "Code de vérification refusé"),
                    ("authn_backup_code_used", "Code de secours utilisé"),
                    ("authn_backup_codes_renewed", "Codes de secours renouvelés"),
                    ("authn_otp_enrolled", "Application de vérification installée"),
                    ("authn_otp_removed", "Application de vérification retirée"),
                    ("authn_enrolment_code_created", "Code d’inscription donné"),
                    ("authn_enrolment_code_fail", "Code d’inscription refusé"),
                    ("privilege_permissions_changed", "Rôle d’agent donné"),
                    ("sensitive_read_account", "Fiche consultée par un agent"),
                    ("sensitive_read_recovery_address", "Adresse de secours affichée à un agent"),
                    ("authn_login_lock", "Compte bloqué"),
                    ("authn_login_unlock", "Compte débloqué"),
                    ("user_reactivated", "Compte réactivé\xa0: nouveau mot de passe choisi"),
                ],
                max_length=60,
                verbose_name="évènement",
            ),
        ),
        migrations.AddConstraint(
            model_name="lock",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("released_at__isnull", True),
                    models.Q(
                        ("proof__in", ["call-back", "in-person", "video", "manager"]),
                        ("released_reason__in", ["phishing-over", "suspicion-over", "by-mistake", "other"]),
                        models.Q(("report", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="lock_released_with_proof",
            ),
        ),
        migrations.AddConstraint(
            model_name="lock",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("proof", "call-back"), _negated=True),
                    models.Q(("number_called", ""), _negated=True),
                    _connector="OR",
                ),
                name="lock_called_back_at_a_number",
            ),
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
