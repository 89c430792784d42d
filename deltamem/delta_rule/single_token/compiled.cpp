// What one layer's memory does with one token of each sequence (layer.py says it in torch): project,
// read, steer, write. Tensors are contiguous float32.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

// Kept in step with the ctypes structure of compiled.py.
struct Layer {
  int64_t hidden, states, rank, gates, heads;
  int64_t unit_length, own_retention, erase_by_both, keep_all;
  float scale, eps;
  const float *query, *key, *value, *beta, *beta_bias, *lambda, *lambda_bias;
  const float *steer[4];
  float *corrections[4];
  int64_t sizes[4];
};

inline float dot(const float *__restrict__ a, const float *__restrict__ b, int64_t size) {
  float sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

inline float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

// tanh of a projection, each sub-state's R numbers of length one.
void unit(const Layer &l, const float *weight, const float *hidden, float *to) {
  for (int64_t n = 0; n < l.states; ++n) {
    float *part = to + n * l.rank;
    for (int64_t i = 0; i < l.rank; ++i)
      part[i] = std::tanh(dot(weight + (n * l.rank + i) * l.hidden, hidden, l.hidden));
    if (!l.unit_length) continue;
    const float length = std::max(std::sqrt(dot(part, part, l.rank)), l.eps);
    for (int64_t i = 0; i < l.rank; ++i) part[i] /= length;
  }
}

// One gate per row, or one per sub-state for all its rows.
void gate(const Layer &l, const float *weight, const float *bias, const float *hidden, float *to) {
  const int64_t rows = l.states * l.rank / l.gates;
  for (int64_t g = 0; g < l.gates; ++g) {
    const float x = dot(weight + g * l.hidden, hidden, l.hidden) + bias[g];
    std::fill(to + g * rows, to + (g + 1) * rows, sigmoid(x));
  }
}

void read(const Layer &l, const float *query, const float *state, float *reads) {
  for (int64_t row = 0; row < l.states * l.rank; ++row)
    reads[row] = dot(state + row * l.rank, query + row / l.rank * l.rank, l.rank);
}

// out = W scaled, with the rows of W as short as the memory is wide
template <int WIDTH>
void steer(const float *__restrict__ weight, const float *__restrict__ scaled,
           float *__restrict__ out, int64_t count, int64_t width) {
  const int64_t wide = WIDTH ? WIDTH : width;
  for (int64_t o = 0; o < count; ++o) {
    float sum = 0;
    for (int64_t i = 0; i < wide; ++i) sum += weight[o * wide + i] * scaled[i];
    out[o] = sum;
  }
}

// `space` holds five times the memory's width.
void write(const Layer &l, const float *hidden, const float *before, float *after, float *space) {
  const int64_t width = l.states * l.rank;
  float *key = space, *value = key + width, *beta = value + width;
  float *lambda = beta + width, *predicted = lambda + width;
  unit(l, l.key, hidden, key);
  for (int64_t i = 0; i < width; ++i) value[i] = dot(l.value + i * l.hidden, hidden, l.hidden);
  gate(l, l.beta, l.beta_bias, hidden, beta);
  if (l.own_retention)
    gate(l, l.lambda, l.lambda_bias, hidden, lambda);
  else
    for (int64_t i = 0; i < width; ++i) lambda[i] = 1 - beta[i];
  read(l, key, before, predicted);
  for (int64_t row = 0; row < width; ++row) {
    const float keep = l.keep_all ? 1 : lambda[row];
    const float erase = l.erase_by_both ? lambda[row] * beta[row] : beta[row];
    const float change = beta[row] * value[row] - erase * predicted[row];
    const float *k = key + row / l.rank * l.rank;
    for (int64_t j = 0; j < l.rank; ++j)
      after[row * l.rank + j] = keep * before[row * l.rank + j] + change * k[j];
  }
}

}  // namespace

extern "C" {
// For each of `batch` sequences: the layer's corrections and, unless `after` is null, the state that
// follows. Where `valid` is false a token counts as zero, so that it reads zero, and the state stays
// as it was; null: all are real.
void layer_step(const Layer *layer, int64_t batch, const float *hidden, const bool *valid,
                const float *before, float *after) {
  const Layer &l = *layer;
  const int64_t width = l.states * l.rank, square = width * l.rank;
  std::vector<float> space(7 * width), nothing(valid ? l.hidden : 0);
  float *query = space.data(), *reads = query + width, *rest = reads + width;
  const auto by = width == 8 ? steer<8> : width == 32 ? steer<32> : steer<0>;
  for (int64_t b = 0; b < batch; ++b) {
    const bool real = !valid || valid[b];
    const float *token = real ? hidden + b * l.hidden : nothing.data();
    unit(l, l.query, token, query);
    read(l, query, before + b * square, reads);
    for (int64_t i = 0; i < width; ++i) reads[i] *= l.scale;
    for (int64_t h = 0; h < l.heads; ++h)
      by(l.steer[h], reads, l.corrections[h] + b * l.sizes[h], l.sizes[h], width);
    if (!after) continue;
    write(l, token, before + b * square, after + b * square, rest);
    if (!real) std::copy_n(before + b * square, square, after + b * square);
  }
}
}
