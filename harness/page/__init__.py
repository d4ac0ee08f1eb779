"""The page about a running environment: what is on it and what happens on it, in the browser of its user.

A small server in the foreground, on the loopback interface, for browsers with its token. Facts flow one way:
:mod:`harness.page.source` reads them from the environment by the same clients as the command line and the fixtures,
:mod:`harness.page.observer` notices what has changed, :mod:`harness.page.views` makes HTML of them,
:mod:`harness.page.app` answers the browser. Untrusted texts are escaped by the templates of :mod:`harness.report`.
"""
