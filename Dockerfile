# docker build -t fast-vid2vid .          torch with CUDA, several GB; then docker run --gpus all ...
# docker build -t fast-vid2vid --build-arg PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu .          without CUDA
# docker run --rm -v "$PWD/results:/app/results" fast-vid2vid bash scripts/demo.sh
FROM python:3.11-slim
ARG PIP_EXTRA_INDEX_URL
WORKDIR /app
COPY requirements.txt ./
COPY scripts/environment.sh scripts/
RUN PIP_NO_CACHE_DIR=1 bash -c 'source scripts/environment.sh && install requirements.txt'
COPY . .
