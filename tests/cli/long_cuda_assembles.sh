# cuda_assembles.sh for every architecture.
LONG=1 exec bash "$(dirname "$0")/cuda_assembles.sh"
