#!/usr/bin/env bash
# Restores a dump of backup.sh, or a plain one, into a new database, and puts that in the place of the present one,
# which is kept under another name. Web, worker and beat are stopped first:
#   docker compose stop web worker beat
#   deploy/restore.sh portail-20261130T021700Z.dump.gpg
#
# POSTGRES_PROGRAMS as in backup.sh. On another server, the roles of roles.sh come first.
set -euo pipefail
dump=${1:?the dump to restore}
programs=${POSTGRES_PROGRAMS-docker compose exec -T database}
owner=${PGUSER:-portail} database=${PGDATABASE:-portail}
restored=${database}_restored former=${database}_before_$(date -u +%Y%m%d%H%M%S)

# shellcheck disable=SC2086 # the programs are several words
run() { $programs "$@"; }
sql() { run psql --username "$owner" --dbname postgres --no-psqlrc --quiet --tuples-only --no-align \
    --set ON_ERROR_STOP=1 --command "$1" </dev/null; }
decrypted() { case $dump in *.gpg) gpg --quiet --decrypt "$dump" ;; *) cat "$dump" ;; esac; }

clients="SELECT count(*) FROM pg_stat_activity WHERE datname = '$database' AND backend_type = 'client backend'"
if [ "$(sql "$clients")" != 0 ]; then
    echo "The database is in use: stop web, worker and beat first." >&2
    exit 1
fi
run dropdb --username "$owner" --if-exists "$restored" </dev/null
run createdb --username "$owner" --template template0 "$restored" </dev/null
# A dump that is damaged or needs a missing role changes nothing: the present database stays.
decrypted | run pg_restore --username "$owner" --exit-on-error --dbname "$restored"
run psql --username "$owner" --dbname "$restored" --quiet --command ANALYZE </dev/null
swap="ALTER DATABASE \"$database\" RENAME TO \"$former\"; ALTER DATABASE \"$restored\" RENAME TO \"$database\""
sql "BEGIN; $swap; COMMIT"
echo "Restored. The database that was there is kept as $former; once the portal works:"
echo "  $programs dropdb --username $owner $former"
