"""The package that DAG files and operators of an extension import; written from the platform's observable behaviour."""
