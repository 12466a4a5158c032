// SPDX-License-Identifier: Apache-2.0
/*
 * .npy files of rows. See npy_rows.h.
 */
#include "npy_rows.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace espalier_bench
{

namespace
{

constexpr char MAGIC[] = "\x93NUMPY\x01";
constexpr size_t PREFIX_BYTES = 10; // magic, two version bytes, length of the header text
constexpr size_t HEADER_ALIGNMENT = 64;

[[noreturn]] void refuse(const std::string &path, const std::string &cause)
{
    throw std::runtime_error(path + ": " + cause);
}

} // namespace

void write_npy(const std::string &path, const float_rows &rows)
{
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" +
                         std::to_string(rows.row_count) + ", " +
                         std::to_string(rows.feature_count) + "), }";
    while ((PREFIX_BYTES + header.size() + 1) % HEADER_ALIGNMENT != 0) {
        header += ' ';
    }
    header += '\n';
    const uint16_t length = static_cast<uint16_t>(header.size());
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(MAGIC, 7).put('\0');
    file.write(reinterpret_cast<const char *>(&length), sizeof length);
    file << header;
    file.write(reinterpret_cast<const char *>(rows.values.data()),
               static_cast<std::streamsize>(rows.values.size() * sizeof(float)));
    file.close();
    if (!file) {
        refuse(path, std::strerror(errno));
    }
}

float_rows read_npy(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        refuse(path, std::strerror(errno));
    }
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    uint16_t header_bytes = 0;
    if (bytes.size() < PREFIX_BYTES || std::memcmp(bytes.data(), MAGIC, 7) != 0) {
        refuse(path, "not a .npy file of version 1");
    }
    std::memcpy(&header_bytes, bytes.data() + 8, sizeof header_bytes);
    const std::string header = bytes.substr(PREFIX_BYTES, header_bytes);
    const bool is_float64 = header.find("'<f8'") != std::string::npos;
    if ((!is_float64 && header.find("'<f4'") == std::string::npos) ||
        header.find("'fortran_order': False") == std::string::npos) {
        refuse(path, "not float32 or float64 rows in C order: " + header);
    }
    const size_t shape = header.find("'shape': (");
    float_rows rows;
    if (shape == std::string::npos || std::sscanf(header.c_str() + shape, "'shape': (%zu, %zu)",
                                                  &rows.row_count, &rows.feature_count) != 2) {
        refuse(path, "not two-dimensional: " + header);
    }
    const size_t value_bytes = is_float64 ? sizeof(double) : sizeof(float);
    const size_t data_bytes = bytes.size() - PREFIX_BYTES - header_bytes;
    if (rows.feature_count == 0 || rows.row_count == 0 ||
        data_bytes / value_bytes / rows.feature_count != rows.row_count) {
        refuse(path, "its size does not fit its shape");
    }
    const char *data = bytes.data() + PREFIX_BYTES + header_bytes;
    rows.values.resize(rows.row_count * rows.feature_count);
    if (!is_float64) {
        std::memcpy(rows.values.data(), data, rows.values.size() * sizeof(float));
        return rows;
    }
    for (size_t i = 0; i < rows.values.size(); i++) {
        double value;
        std::memcpy(&value, data + i * sizeof value, sizeof value);
        rows.values[i] = static_cast<float>(value);
    }
    return rows;
}

} // namespace espalier_bench
