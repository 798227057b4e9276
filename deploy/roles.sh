#!/bin/sh
# Runs once, when the database is created. The portal's role owns nothing: it can neither alter tables nor drop the
# triggers that keep the journal append-only. Migrations run as the owner.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$APP_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE portail_app LOGIN PASSWORD :'password';
-- The portal sends these itself; behind PgBouncer, which passes none on, the role has them.
ALTER ROLE portail_app SET statement_timeout = '5s';
ALTER ROLE portail_app SET lock_timeout = '4s';
ALTER ROLE portail_app SET idle_in_transaction_session_timeout = '60s';
GRANT USAGE ON SCHEMA public TO portail_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO portail_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO portail_app;
SQL
