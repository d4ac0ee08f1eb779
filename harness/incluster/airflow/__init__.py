"""What runs in Airflow's containers beside the package ``kaapana``: scheduler, web server, database, pods of tasks."""
