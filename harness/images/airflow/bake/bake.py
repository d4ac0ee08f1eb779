"""The tables of Airflow, and the pools and the variable of a fresh platform (runtime 2.3, 2.4).

NODE_RAM is in MB. The platform writes the memory of its node there; here the limits of each pod decide, so the
pool is as good as unlimited. GPUs are not offered: 0 slots.
"""

from airflow.models import Pool, Variable
from airflow.utils import db
from airflow.utils.session import create_session

POOLS = {"NODE_RAM": 1_000_000, "NODE_GPU_COUNT": 0, "NODE_CPU_CORES": 1}

db.upgradedb()
with create_session() as session:
    for name, slots in POOLS.items():
        Pool.create_or_update_pool(name, slots=slots, description="", include_deferred=False, session=session)
    revision = db._get_current_revision(session)
Variable.set("enable_job_scheduler", "True")
print(f"database at revision {revision}, pools {', '.join(POOLS)}")
