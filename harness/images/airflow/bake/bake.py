"""Pools and the variable that a fresh Airflow of the platform has (runtime 2.3, 2.4).

NODE_RAM is in MB. The platform writes the memory of its node there; here the engine's own limits decide, so the
pool is as good as unlimited. GPUs are not offered: 0 slots.
"""

from airflow.models import Pool, Variable
from airflow.utils.session import create_session

POOLS = {"NODE_RAM": 1_000_000, "NODE_GPU_COUNT": 0, "NODE_CPU_CORES": 64_000}

with create_session() as session:
    for name, slots in POOLS.items():
        Pool.create_or_update_pool(
            name, slots=slots, description="made with the image", include_deferred=False, session=session
        )
Variable.set("enable_job_scheduler", "True")
