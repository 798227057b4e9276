from django.db import models
from django.utils.translation import gettext_lazy as _


class Event(models.TextChoices):
    """Names follow the OWASP logging vocabulary where it has one."""

    USER_CREATED = "user_created", _("Compte créé depuis le fichier RH")
    USER_UPDATED = "user_updated", _("Fiche mise à jour depuis le fichier RH")
    RECOVERY_ADDRESS_CORRECTED = "recovery_address_corrected", _("Adresse de secours corrigée")
    RECOVERY_ADDRESS_PROPOSED = "recovery_address_proposed", _("Autre adresse de secours proposée par les RH")
    RECOVERY_CHANGE_REQUESTED = "recovery_address_change_requested", _("Changement d’adresse de secours demandé")
    RECOVERY_CHANGE_CANCELLED = "recovery_address_change_cancelled", _("Changement d’adresse de secours abandonné")
    RECOVERY_CHANGE_EXPIRED = (
        "recovery_address_change_expired",
        _("Changement d’adresse de secours abandonné, faute de confirmation"),
    )
    RECOVERY_ADDRESS_CHANGED = "recovery_address_changed", _("Adresse de secours changée")
    RECOVERY_ADDRESS_RESTORED = "recovery_address_restored", _("Ancienne adresse de secours rétablie")
    RECOVERY_ADDRESS_DISPUTED = "recovery_address_disputed", _("Adresse de secours signalée comme erronée")
    RECOVERY_PROPOSAL_DISMISSED = (
        "recovery_address_proposal_dismissed",
        _("Adresse de secours proposée par les RH rejetée"),
    )
    RECOVERY_REPLACEMENT_PROPOSED = (
        "recovery_address_replacement_proposed",
        _("Remplacement de l’adresse de secours proposé par un agent"),
    )
    RECOVERY_REPLACEMENT_APPROVED = (
        "recovery_address_replacement_approved",
        _("Remplacement de l’adresse de secours approuvé par un second agent"),
    )
    RECOVERY_REPLACEMENT_GIVEN_UP = (
        "recovery_address_replacement_given_up",
        _("Remplacement de l’adresse de secours abandonné"),
    )
    LINK_REQUESTED = "link_requested", _("Nouveau lien demandé")
    ASSISTANCE_REQUESTED = "assistance_requested", _("Demande d’assistance reçue")
    ACTIVATION_STARTED = "activation_started", _("Activation commencée")
    CHARTER_ACCEPTED = "charter_accepted", _("Charte informatique acceptée")
    CHARTER_DRAFT_SAVED = "charter_draft_saved", _("Brouillon de la charte enregistré")
    CHARTER_DRAFT_DELETED = "charter_draft_deleted", _("Brouillon de la charte supprimé")
    CHARTER_PUBLISHED = "charter_published", _("Version de la charte publiée")
    DIRECTORY_CONSENT_GIVEN = "directory_consent_given", _("Inscription à l’annuaire public acceptée")
    DIRECTORY_CONSENT_REFUSED = "directory_consent_refused", _("Inscription à l’annuaire public refusée")
    REDIRECTION_CHOSEN = "redirection_chosen", _("Redirection choisie")
    REDIRECTION_DECLINED = "redirection_declined", _("Redirection refusée")
    REDIRECTION_VERIFICATION_REQUESTED = (
        "redirection_verification_requested",
        _("Vérification demandée pour la redirection"),
    )
    REDIRECTION_VERIFIED = "redirection_verified", _("Adresse de redirection vérifiée")
    REDIRECTION_STOPPED = "redirection_stopped", _("Redirection supprimée")
    REDIRECTION_EXPIRED = "redirection_expired", _("Redirection abandonnée, faute de confirmation")
    MAILBOX_CREATED = "mailbox_created", _("Boîte universitaire créée")
    PASSWORD_SET = "authn_password_change", _("Mot de passe choisi")
    PASSWORD_CHANGED = "authn_password_change_self", _("Mot de passe changé")
    PASSWORD_RESET = "authn_password_reset", _("Mot de passe oublié\N{NO-BREAK SPACE}: nouveau mot de passe choisi")
    USER_ACTIVATED = "user_activated", _("Compte activé")
    USER_STARTED_ANEW = (
        "user_started_anew",
        _("Compte rouvert après une longue absence\N{NO-BREAK SPACE}: à activer à nouveau"),
    )
    REMINDERS_STOPPED = "reminders_stopped", _("Rappels d’activation arrêtés")
    USER_ARCHIVED = "user_archived", _("Compte fermé, la date de départ est passée")
    ANNOUNCEMENT_CHANGED = "announcement_changed", _("Annonce du portail modifiée")
    HR_FILE_RECEIVED = "upload_stored", _("Fichier RH envoyé")
    HR_IMPORT_STARTED = "hr_import_started", _("Import du fichier RH confirmé")
    HR_IMPORT_RESUMED = "hr_import_resumed", _("Import du fichier RH repris")
    HR_IMPORT_FINISHED = "hr_import_finished", _("Import du fichier RH terminé")
    HR_IMPORT_ABANDONED = "hr_import_abandoned", _("Fichier RH abandonné")
    HR_REPORT_READ = "sensitive_read_hr_report", _("Compte rendu d’import téléchargé")
    USER_ERASED = "user_deleted", _("Données personnelles effacées")
    DATA_PURGED = "data_purged", _("Données effacées à la fin de leur durée de conservation")
    SIGNED_IN = "authn_login_success", _("Connexion")
    SIGN_IN_FAILED = "authn_login_fail", _("Échec de connexion")
    SIGNED_OUT = "session_ended", _("Déconnexion")
    SESSION_ENDED = "session_ended_by_owner", _("Session fermée à distance")
    SESSIONS_ENDED = "sessions_ended_by_owner", _("Sessions fermées à distance")
    LANGUAGE_CHOSEN = "language_chosen", _("Langue choisie")
    DATA_EXPORTED = "sensitive_read", _("Copie des données téléchargée")
    CHANGE_DISOWNED = (
        "change_disowned",
        _("Signalement\N{NO-BREAK SPACE}: «\N{NO-BREAK SPACE}ce n’était pas moi\N{NO-BREAK SPACE}»"),
    )
    SECOND_FACTOR_GIVEN = "authn_otp_success", _("Code de vérification accepté")
    SECOND_FACTOR_REFUSED = "authn_otp_fail", _("Code de vérification refusé")
    BACKUP_CODE_USED = "authn_backup_code_used", _("Code de secours utilisé")
    BACKUP_CODES_RENEWED = "authn_backup_codes_renewed", _("Codes de secours renouvelés")
    SECOND_FACTOR_ENROLLED = "authn_otp_enrolled", _("Application d’authentification installée")
    SECOND_FACTOR_REMOVED = "authn_otp_removed", _("Application d’authentification retirée")
    ENROLMENT_CODE_GIVEN = "authn_enrolment_code_created", _("Code d’enrôlement remis")
    ENROLMENT_CODE_REFUSED = "authn_enrolment_code_fail", _("Code d’enrôlement refusé")
    ROLE_GIVEN = "privilege_permissions_changed", _("Rôle d’agent donné")
    ROLE_WITHDRAWN = "privilege_permissions_withdrawn", _("Rôle d’agent retiré")
    ACCOUNT_OPENED = "sensitive_read_account", _("Fiche du compte consultée par un agent")
    RECOVERY_ADDRESS_READ = "sensitive_read_recovery_address", _("Adresse de secours affichée à un agent")
    JOURNAL_READ = "sensitive_read_journal", _("Journal du compte consulté par un agent")
    LIST_EXPORTED = "data_exported_by_agent", _("Données exportées par un agent")
    REQUEST_OPENED = "sensitive_read_request", _("Demande d’assistance consultée par un agent")
    IDENTITY_READ = "sensitive_read_identity", _("Date de naissance ou INE affiché à un agent")
    REQUEST_TAKEN = "assistance_taken", _("Demande d’assistance prise en charge")
    REQUEST_HANDED_BACK = "assistance_handed_back", _("Demande d’assistance remise dans la file")
    REQUEST_CALLED = "assistance_called", _("Appel d’un agent pour une demande d’assistance")
    REQUEST_NOTED = "assistance_noted", _("Note ajoutée à une demande d’assistance")
    # Does not say whether the answer was right: an attacker who signs in could read it in the history.
    FACT_COMPARED = "assistance_fact_compared", _("Réponse comparée à la fiche pendant un appel")
    REQUEST_ATTACHED = "assistance_attached", _("Demande d’assistance rattachée à ce compte")
    REQUEST_DETACHED = "assistance_detached", _("Demande d’assistance rattachée à un autre compte")
    REQUEST_CLOSED = "assistance_closed", _("Demande d’assistance clôturée")
    REQUEST_REOPENED = "assistance_reopened", _("Demande d’assistance rouverte")
    SERVICE_WRITE_REQUESTED = "linked_service_write_requested", _("Écriture dans un service relié redemandée")
    SERVICE_OPENING_CONFIRMED = (
        "linked_service_opening_confirmed",
        _("Ouverture confirmée dans un service relié qui suspendait le compte"),
    )
    SERVICE_CLOSINGS_CONFIRMED = (
        "linked_service_closings_confirmed",
        _("Fermetures retenues confirmées dans un service relié"),
    )
    LOCKED = "authn_login_lock", _("Compte bloqué")
    LOCK_REFUSED = (
        "authn_login_lock_fail",
        _("Blocage demandé par un système de sécurité\N{NO-BREAK SPACE}: refusé, compte d’agent"),
    )
    RELEASED = "authn_login_unlock", _("Compte débloqué")
    USER_REACTIVATED = "user_reactivated", _("Compte réactivé\N{NO-BREAK SPACE}: nouveau mot de passe choisi")
