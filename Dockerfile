# The case system as an image: `docker build -t lead-case-system .` in this folder. How it is run: compose.yaml, docs/operations.md.
# Not the phone's app, which is built by Flet.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --system --uid 10001 --home-dir /var/lib/lead --create-home lead \
    && install --directory --owner=lead --mode=0700 /var/lib/lead/data /var/lib/lead/keys

WORKDIR /opt/lead
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY assets assets
COPY referral referral
COPY case_system case_system
RUN pip install --constraint constraints.txt --editable '.[server]'

USER lead
ENV CASE_SYSTEM_DB=/var/lib/lead/data/case-system.db \
    CASE_SYSTEM_KEYS=/var/lib/lead/keys \
    CASE_SYSTEM_HOST=0.0.0.0 \
    CASE_SYSTEM_PORT=8700
VOLUME ["/var/lib/lead/data", "/var/lib/lead/keys"]
EXPOSE 8700
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8700/readyz', timeout=4)"]
ENTRYPOINT ["case-system"]
CMD ["serve"]
