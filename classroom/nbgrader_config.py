"""How nbgrader grades assignments of the course: copy this file into the folder of your nbgrader course."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "llmops"
# A cell without an end is interrupted, and the cells after it still count.
c.ExecutePreprocessor.timeout = 120
c.ExecutePreprocessor.interrupt_on_timeout = True
