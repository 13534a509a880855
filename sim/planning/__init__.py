"""Planning under uncertainty: what could go wrong, what decides, what is regretted, what is best."""
