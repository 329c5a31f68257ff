"""What stands on the page that steps through backpropagation: arrays, figures, equations, and the page's own files."""
