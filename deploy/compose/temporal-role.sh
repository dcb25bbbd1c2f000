#!/bin/sh
# Run once by PostgreSQL's image, on an empty volume: a role of its own for Temporal, which makes its own databases.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$TEMPORAL_PASSWORD" --username "$POSTGRES_USER" <<'SQL'
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'password';
SQL
