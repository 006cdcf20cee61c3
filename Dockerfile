# The worker, the simulator and the CLI in one image. `docker build -t roundbatch .`
FROM python:3.13-slim AS environment
WORKDIR /src
RUN python -m venv /opt/roundbatch
# Dependencies before the code: an edit of the code leaves this layer as it is.
COPY requirements.lock ./
RUN /opt/roundbatch/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY agents agents
COPY bench bench
COPY cli cli
COPY demo demo
COPY domain domain
COPY providers providers
COPY simulator simulator
COPY streams streams
COPY tables tables
RUN /opt/roundbatch/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:3.13-slim
# A fixed number, so that a volume's owner stays the same from image to image.
RUN useradd --uid 10001 --create-home --home-dir /home/roundbatch roundbatch \
    && install --directory --owner roundbatch --group roundbatch /var/lib/roundbatch
COPY --from=environment /opt/roundbatch /opt/roundbatch
# 127.0.0.1, the default, would be out of reach from outside the container; publish the port where it may be seen.
ENV PATH=/opt/roundbatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ROUNDBATCH_STATE_DIR=/var/lib/roundbatch \
    ROUNDBATCH_HEALTH_HOST=0.0.0.0 \
    ROUNDBATCH_HEALTH_PORT=8080
WORKDIR /home/roundbatch
USER 10001
# The tables' local store. Without it a worker restores them from Kafka: seconds become minutes.
VOLUME /var/lib/roundbatch
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
# No shell between: SIGTERM reaches the worker, which finishes its calls in flight (ROUNDBATCH_SHUTDOWN_TIMEOUT_S).
ENTRYPOINT ["roundbatch"]
CMD ["worker"]
