"""The vocabulary of accounts: states, categories, reasons and the events of the journal."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    """What a person can do with the account; read from facts, never stored."""

    PENDING = "pending", _("À activer")
    ACTIVE = "active", _("Actif")
    LOCKED = "locked", _("Bloqué")
    TO_REACTIVATE = "to-reactivate", _("À réactiver")
    CLOSED = "closed", _("Fermé")


class Category(models.TextChoices):
    """Who employs or teaches the person; only the university's own staff has a mailbox."""

    STAFF = "staff", _("Personnel de l’université")
    HOSTED = "hosted", _("Personnel d’un organisme associé")
    STUDENT = "student", _("Étudiant ou étudiante")


class LockReason(models.TextChoices):
    """Why an account is locked, as the person reads it."""

    PHISHING = "phishing", _("Un e-mail d’hameçonnage a pu capter votre mot de passe")
    FRAUDULENT_SITE = "fraudulent-site", _("Votre mot de passe a été saisi sur un faux site")
    SUSPICIOUS_ACTIVITY = "suspicious-activity", _("Activité inhabituelle")
    OTHER = "other", _("Autre raison : contactez la DSIN")


class ReleaseReason(models.TextChoices):
    """Why an account is released, as agents read it."""

    PHISHING_OVER = "phishing-over", _("Fin d’incident d’hameçonnage")
    SUSPICION_OVER = "suspicion-over", _("Fin d’activité suspecte")
    BY_MISTAKE = "by-mistake", _("Blocage par erreur")
    OTHER = "other", _("Autre")


class Proof(models.TextChoices):
    """How an agent has made sure who asks (HLP-03). What anybody may know or type, a birth date, an INE, a telephone
    number, proves nothing, and is not among them."""

    CALL_BACK = "call-back", _("Rappel au numéro connu des RH")
    IN_PERSON = "in-person", _("En personne, pièce d’identité")
    VIDEO = "video", _("Visio, pièce d’identité")
    MANAGER = "manager", _("Confirmation par le responsable")


class Event(models.TextChoices):
    """What the journal records; the names follow the OWASP logging vocabulary where it has one (LOG-01)."""

    USER_CREATED = "user_created", _("Compte créé depuis le fichier RH")
    USER_UPDATED = "user_updated", _("Fiche mise à jour depuis le fichier RH")
    RECOVERY_ADDRESS_CORRECTED = "recovery_address_corrected", _("Adresse de secours corrigée par les RH")
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
    LINK_REQUESTED = "link_requested", _("Nouveau lien demandé")
    ASSISTANCE_REQUESTED = "assistance_requested", _("Demande d’assistance reçue")
    ACTIVATION_STARTED = "activation_started", _("Activation commencée")
    CHARTER_ACCEPTED = "charter_accepted", _("Charte informatique acceptée")
    DIRECTORY_CONSENT_GIVEN = "directory_consent_given", _("Parution dans l’annuaire public acceptée")
    DIRECTORY_CONSENT_REFUSED = "directory_consent_refused", _("Parution dans l’annuaire public refusée")
    REDIRECTION_CHOSEN = "redirection_chosen", _("Redirection choisie")
    REDIRECTION_DECLINED = "redirection_declined", _("Pas de redirection")
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
    REMINDERS_STOPPED = "reminders_stopped", _("Rappels d’activation arrêtés")
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
    SECOND_FACTOR_ENROLLED = "authn_otp_enrolled", _("Application de vérification installée")
    SECOND_FACTOR_REMOVED = "authn_otp_removed", _("Application de vérification retirée")
    ENROLMENT_CODE_GIVEN = "authn_enrolment_code_created", _("Code d’inscription donné")
    ENROLMENT_CODE_REFUSED = "authn_enrolment_code_fail", _("Code d’inscription refusé")
    ROLE_GIVEN = "privilege_permissions_changed", _("Rôle d’agent donné")
    ACCOUNT_OPENED = "sensitive_read_account", _("Fiche consultée par un agent")
    RECOVERY_ADDRESS_READ = "sensitive_read_recovery_address", _("Adresse de secours affichée à un agent")
    LOCKED = "authn_login_lock", _("Compte bloqué")
    RELEASED = "authn_login_unlock", _("Compte débloqué")
    USER_REACTIVATED = "user_reactivated", _("Compte réactivé\N{NO-BREAK SPACE}: nouveau mot de passe choisi")
