# The file system of a node: the distribution's packages, kind's own files, Kubernetes.
ARG BASE
ARG KIND
ARG KUBERNETES
ARG NETWORK
FROM ${KIND} AS kind
FROM ${KUBERNETES} AS kubernetes
FROM ${NETWORK} AS network
FROM ${BASE}
ARG PACKAGES
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${PACKAGES} \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/*
COPY --from=kind /node/ /
COPY --from=network /bin/kaapana-harness-network /usr/lib/cni/
COPY --from=kubernetes /bin/ /opt/kubernetes/
COPY node/ /opt/setup/
ARG VERSION
RUN bash /opt/setup/setup.bash && rm -r /opt/setup
# what systemd looks at to know that it is in a container
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
