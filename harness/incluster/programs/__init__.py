"""The programs of the platform's built-in operators, one module each (operators 4, build 9).

They run in containers: ``python -m harness.incluster.programs <program>``, where the program has the name of the
platform's image. Every module is imported when its program starts and not before, because the
start-up time of a container is most of a short task.
"""
