# The image of the worker and of the gateway, and nothing in it that they do not need: `docker build -t roundbatch .`
# The simulator's, for trying things out: `docker build --target simulator -t roundbatch-simulator .`
FROM python:3.13-slim AS environment
RUN python -m venv --without-pip /opt/roundbatch
WORKDIR /src
# Dependencies before the code: an edit of the code leaves this layer as it is.
COPY requirements.lock ./
RUN pip --python /opt/roundbatch/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes \
    -r requirements.lock

# Our own code as a wheel. What builds it, and what the simulator needs more, comes at the versions and hashes that
# requirements-dev.lock has for it: of each named package the lines from its name to the next one's.
FROM python:3.13-slim AS wheel
WORKDIR /src
COPY requirements-dev.lock ./
RUN awk '/^[a-z]/ {wanted = /^setuptools==/} wanted' requirements-dev.lock >build.lock \
    && awk '/^[a-z]/ {wanted = /^python-multipart==/} wanted' requirements-dev.lock >simulator.lock \
    && pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r build.lock
COPY pyproject.toml README.md ./
COPY agents agents
COPY cli cli
COPY domain domain
COPY gateway gateway
COPY providers providers
COPY settings settings
COPY streams streams
COPY tables tables
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheels .

FROM wheel AS simulator-wheel
COPY simulator simulator
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheels .

FROM environment AS simulator-environment
COPY --from=simulator-wheel /wheels /wheels
COPY --from=simulator-wheel /src/simulator.lock ./
RUN pip --python /opt/roundbatch/bin/python install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
        -r simulator.lock \
    && pip --python /opt/roundbatch/bin/python install --no-cache-dir --disable-pip-version-check --no-deps /wheels/*.whl \
    && pip --python /opt/roundbatch/bin/python check

FROM environment AS worker-environment
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/roundbatch/bin/python install --no-cache-dir --disable-pip-version-check --no-deps /wheels/*.whl \
    && pip --python /opt/roundbatch/bin/python check

FROM python:3.13-slim AS base
# curl: what health checks of compose files call. The number is fixed, so that a volume's owner stays the same from image
# to image; group 0 may write too, for OpenShift starts a container under any number, in that group.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && useradd --uid 10001 --gid 0 --no-create-home --home-dir /var/lib/roundbatch roundbatch \
    && install --directory --owner 10001 --group 0 --mode 2775 /var/lib/roundbatch
ENV PATH=/opt/roundbatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/roundbatch
USER 10001:0
ENTRYPOINT ["roundbatch"]

FROM base AS simulator
COPY --from=simulator-environment /opt/roundbatch /opt/roundbatch
EXPOSE 8900
CMD ["simulator", "--host", "0.0.0.0"]

# The last one, so that it is what a plain `docker build .` makes.
FROM base AS worker
COPY --from=worker-environment /opt/roundbatch /opt/roundbatch
# 127.0.0.1, the default, would be out of reach from outside the container; publish the port where it may be seen.
# A container is either a worker or (command `gateway`) a gateway, so that both have port 8080 and one health check.
ENV ROUNDBATCH_STATE_DIR=/var/lib/roundbatch \
    ROUNDBATCH_HEALTH_HOST=0.0.0.0 \
    ROUNDBATCH_HEALTH_PORT=8080 \
    ROUNDBATCH_GATEWAY__HOST=0.0.0.0
# Of what comparisons cost, for asking some of them again: what bundles do to verdicts (docs/quality.md, "Audits"). 0: nothing.
ENV ROUNDBATCH_AUDIT__SHARE=0.02
# The tables' local store. Without it a worker restores them from Kafka: seconds become minutes.
VOLUME /var/lib/roundbatch
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD curl --fail --silent --show-error --max-time 4 "http://127.0.0.1:${ROUNDBATCH_HEALTH_PORT}/healthz"
# No shell between: SIGTERM reaches the worker, which finishes its calls in flight (ROUNDBATCH_SHUTDOWN_TIMEOUT_S).
CMD ["worker"]
