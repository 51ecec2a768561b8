"""What a run tells of itself: reports, outcomes, metrics, figures."""
