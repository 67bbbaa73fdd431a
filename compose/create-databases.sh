#!/bin/bash
# Runs once, in the empty database server: two databases with a role each. Airflow's state and ours
# never share one.
set -euo pipefail

create() {
    psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        -v role="$1" -v password="$2" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"role" OWNER :"role";
REVOKE CONNECT ON DATABASE :"role" FROM PUBLIC;
SQL
}

create airflow "$AIRFLOW_DB_PASSWORD"
create preserve "$PRESERVE_DB_PASSWORD"
