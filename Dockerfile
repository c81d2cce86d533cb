# docker build -t fast-vid2vid .          on Linux, the default wheels of torch: CUDA, several GB
# docker build -t fast-vid2vid --build-arg TORCH="torch torchvision --index-url URL" .     CPU: URL as PyTorch's start page shows
# docker run --rm -v "$PWD/results:/app/results" fast-vid2vid bash scripts/demo.sh
FROM python:3.11-slim
ARG TORCH="torch torchvision"
WORKDIR /app
COPY requirements.txt ./
COPY scripts/environment.sh scripts/
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir ${TORCH} \
    && bash -c 'source scripts/environment.sh && install requirements.txt'
COPY . .
