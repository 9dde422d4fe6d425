"""What makes a claim credible: statistics, comparisons, reports."""
