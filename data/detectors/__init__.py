"""From pictures to what a kind needs: landmarks, bodies, label maps."""
