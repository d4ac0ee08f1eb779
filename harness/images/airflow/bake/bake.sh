#!/bin/sh
# Makes the database cluster, the database "airflow" of user root (services 2.5), its tables and pools.
# How the server is run later (addresses, passwords) is said on its command line.
set -eu
here=/tmp/bake
data=/var/lib/postgresql/data
as_postgres() { runuser -u postgres -- "$@"; }

rm -rf "$data"
install -d -o postgres -g postgres -m 0700 "$data"
as_postgres initdb --pgdata="$data" --encoding=UTF8 --locale=C.UTF-8 --auth=trust --no-sync --wal-segsize=4 >/dev/null
as_postgres pg_ctl --pgdata="$data" --wait --silent --log=/tmp/postgres.log \
    --options="-c listen_addresses= -c unix_socket_directories=/tmp -c fsync=off -c full_page_writes=off" start
as_postgres psql --quiet --host=/tmp --set=ON_ERROR_STOP=1 postgres <<'SQL'
CREATE ROLE root SUPERUSER LOGIN PASSWORD 'root';
CREATE DATABASE airflow OWNER root;
SQL

export AIRFLOW_HOME=/tmp/airflow-home
export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="postgresql+psycopg2://root@/airflow?host=/tmp"
export AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS=False
# Without a key the variable is stored as it is, and every later configuration can read it.
export AIRFLOW__CORE__FERNET_KEY=""
python -W ignore "$here/bake.py"

as_postgres psql --quiet --host=/tmp --command="VACUUM ANALYZE" airflow
as_postgres pg_ctl --pgdata="$data" --wait --silent --mode=fast stop
rm -rf /tmp/postgres.log "$AIRFLOW_HOME"
