"""Everything that runs inside the Airflow containers: the ``kaapana`` package, the scheduler, the trigger API."""
