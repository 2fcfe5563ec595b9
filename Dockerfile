# One image for the web server and the workers. Build with --build-arg REQUIREMENTS=gpu for a host with an NVIDIA GPU.
FROM python:3.11-slim-bookworm

ARG REQUIREMENTS=cpu
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 INTRAMURAL_DATA=/data INTRAMURAL_HTTPS=1

WORKDIR /app
COPY requirements.txt requirements-gpu.txt ./
RUN if [ "$REQUIREMENTS" = "gpu" ]; then \
      grep -v '^faiss-cpu' requirements.txt > /tmp/requirements.txt && pip install -r /tmp/requirements.txt -r requirements-gpu.txt; \
    else \
      pip install -r requirements.txt; \
    fi

COPY . .
RUN useradd --uid 10001 --create-home intramural && mkdir -p /data/adapters && chown -R intramural: /data
USER intramural
VOLUME /data
EXPOSE 8000
CMD ["uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--timeout-graceful-shutdown", "10"]
