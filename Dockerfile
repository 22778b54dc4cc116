# Agent Runtime Service. Two targets:
#   docker build --target production  -t agent-runtime .       the service, with the pinned tool servers
#   docker build --target development -t agent-runtime-dev .   the tree with all that building and testing need
# No secret goes into a layer: keys come from the environment when a container starts (OPENAI_API_KEY).
ARG DEBIAN_IMAGE=debian:12-slim
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS toolchain
WORKDIR /src
COPY deploy/deps.sh deploy/
COPY etc/mcp/package.json etc/mcp/package-lock.json etc/mcp/
RUN deploy/deps.sh run && rm -rf /var/lib/apt/lists/* ~/.npm

FROM toolchain AS build
COPY Makefile ./
COPY server server
COPY store store
COPY mcp mcp
COPY llm llm
COPY etc etc
COPY deploy/agent-runtime.service deploy/
RUN make -j"$(nproc)" && make install DESTDIR=/out && strip /out/usr/local/bin/agent-runtime \
	&& cp -R etc/mcp etc/sample_data /out/usr/local/share/agent-runtime/

FROM toolchain AS development
COPY tests/e2e/package.json tests/e2e/package-lock.json tests/e2e/
COPY tests/conformance/package.json tests/conformance/package-lock.json tests/conformance/
COPY tests/lint/manifests/package.json tests/lint/manifests/package-lock.json tests/lint/manifests/
RUN deploy/deps.sh check && apt-get install -y -q --no-install-recommends git \
	&& rm -rf /var/lib/apt/lists/* ~/.npm && chown -R node:node /src
COPY --chown=node:node . .
USER node
CMD ["make", "check"]

FROM ${DEBIAN_IMAGE} AS production
# Libraries of the service, authorities for TLS, and curl for the health check.
RUN apt-get update -q && apt-get install -y -q --no-install-recommends \
		ca-certificates curl libcjson1 libcurl4 libevent-2.1-7 libsqlite3-0 libssl3 libyaml-0-2 \
	&& rm -rf /var/lib/apt/lists/* \
	&& groupadd --gid 10001 agent-runtime \
	&& useradd --uid 10001 --gid 10001 --create-home --home-dir /var/lib/agent-runtime --shell /usr/sbin/nologin agent-runtime
COPY --from=toolchain /usr/local/bin/node /usr/local/bin/
COPY --from=build /out/usr/local/bin/agent-runtime /usr/local/bin/
COPY --from=build /out/usr/local/share/agent-runtime /usr/local/share/agent-runtime
# Configuration and registry of one's own: mount a folder and point this variable at its config.yaml. The packaged tool
# servers stay at /usr/local/share/agent-runtime/mcp/node_modules.
ENV AGENT_RUNTIME_CONFIG=/usr/local/share/agent-runtime/config.yaml
# The database is in the folder "data" there (store.path): what a container without this volume has accepted dies with it.
WORKDIR /var/lib/agent-runtime
VOLUME ["/var/lib/agent-runtime"]
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
	CMD ["curl", "-fsS", "-o", "/dev/null", "--max-time", "2", "http://127.0.0.1:8080/livez"]
# Inside a container loopback reaches nobody. The master is fit to be process 1: it reaps whatever is left to it.
ENTRYPOINT ["agent-runtime", "--set", "server.host=0.0.0.0"]
CMD ["serve"]
