# The course in a container, for whoever has Docker:
#
#     docker build -t llmops-workbook .
#     docker run --rm -it -p 127.0.0.1:8888:8888 -v llmops-models:/models llmops-workbook
#
# Then open the address that JupyterLab prints. The model is fetched at the first start and kept in the volume.
FROM python:3.12-slim
RUN useradd --create-home --uid 1000 learner
WORKDIR /workbook
COPY --chown=learner requirements.txt pyproject.toml start.py README.md LICENSE ./
COPY --chown=learner llmops_utils llmops_utils
RUN chown learner . && mkdir /models && chown learner /models
USER learner
RUN python start.py setup
COPY --chown=learner . .
ENV LLMOPS_HOME=/models
EXPOSE 8888
CMD ["python", "start.py", "lab", "--no-browser", "--host", "0.0.0.0"]
