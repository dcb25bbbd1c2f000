#!/bin/sh
# Makes Temporal's databases and brings their schemas up to date; repeatable.
set -eu
for database in temporal:temporal temporal_visibility:visibility; do
  name=${database%%:*}
  tool() { temporal-sql-tool --plugin postgres12 --endpoint postgres --port 5432 --user temporal --database "$name" "$@"; }
  tool create-database
  tool setup-schema --version 0.0 || true # it is there already
  tool update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/${database##*:}/versioned"
done
