#!/usr/bin/env bash
# Writes an encrypted dump of the database, by cron for example, as a user who may run docker:
#   17 2 * * * cd /srv/portail && BACKUP_RECIPIENT=sauvegarde@univ-exemple.fr deploy/backup.sh /srv/backups
#
# BACKUP_RECIPIENT  key of gpg that encrypts; its private half is kept elsewhere
# BACKUP_KEEP_DAYS  days after which older dumps are deleted (30)
# BACKUP_METRICS    directory of the textfile collector of Prometheus's node exporter; without it, no metric
# POSTGRES_PROGRAMS what precedes pg_dump ("docker compose exec -T database"); empty: those of this machine, which
#                   PGHOST, PGPORT and PGPASSWORD lead to the server
set -euo pipefail
directory=${1:?the directory to write into}
: "${BACKUP_RECIPIENT:?the key that encrypts the dump}"
programs=${POSTGRES_PROGRAMS-docker compose exec -T database}
owner=${PGUSER:-portail} database=${PGDATABASE:-portail}
umask 077
mkdir -p "$directory"
file=$directory/$database-$(date -u +%Y%m%dT%H%M%SZ).dump.gpg
trap 'rm -f "$file.partial"' EXIT

# Renamed when complete: a dump that was cut off is never taken for a backup.
# shellcheck disable=SC2086 # the programs are several words
$programs pg_dump --username "$owner" --format custom "$database" </dev/null |
    gpg --batch --yes --quiet --trust-model always --encrypt --recipient "$BACKUP_RECIPIENT" --output "$file.partial"
mv "$file.partial" "$file"

if [ -n "${BACKUP_METRICS:-}" ]; then
    metric=portal_last_backup_timestamp_seconds
    printf '# HELP %s When the last backup was complete.\n# TYPE %s gauge\n%s %s\n' \
        $metric $metric $metric "$(date +%s)" >"$BACKUP_METRICS/portail.prom.partial"
    chmod 644 "$BACKUP_METRICS/portail.prom.partial"
    mv "$BACKUP_METRICS/portail.prom.partial" "$BACKUP_METRICS/portail.prom"
fi
find "$directory" -maxdepth 1 -name "$database-*.dump.gpg" -mtime "+${BACKUP_KEEP_DAYS:-30}" -delete
echo "$file"
