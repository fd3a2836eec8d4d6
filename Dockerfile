# augengine on an NVIDIA GPU. Not yet run on a GPU: check it by `augengine doctor` and `make gpu-check` (docs/guide/gpu.md).
#   docker build --tag augengine .
#   docker run --rm --gpus all --shm-size=8g --volume "$PWD":/data augengine doctor
FROM nvcr.io/nvidia/tensorrt:25.10-py3

COPY . /opt/augengine
RUN pip install --no-cache-dir '/opt/augengine[gpu,s3]'

ENV AUGENGINE_HOME=/data/.augengine-home
WORKDIR /data
CMD ["augengine", "--help"]
