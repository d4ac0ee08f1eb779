# One program from Go modules; the toolchain comes as a Python wheel. Everything in one step, so that the toolchain
# and the caches (several GB for Kubernetes) never become part of a layer.
ARG BASE
FROM ${BASE} AS build
ARG STAGE
LABEL kaapana-harness.stage=${STAGE}
ARG GO_BIN
ARG VERSION
ARG GOOS
ARG GOARCH
# Where this site gets Go modules from; empty means Go's own defaults.
ARG GOPROXY
ARG GOSUMDB
ARG GONOSUMDB
ARG GOPRIVATE
ARG GOINSECURE
COPY build.bash /build.bash
COPY source/ /source/
RUN bash /build.bash
FROM scratch
COPY --from=build /out/ /
CMD ["/none"]
