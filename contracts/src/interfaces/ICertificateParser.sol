// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Certificate} from "../libraries/X509.sol";
import {Crl} from "../libraries/X509Crl.sol";

/// @title Reader of certificates and revocation lists
/// @notice Stateless: the form only. Who asks checks signature, names, times and extensions.
/// @dev `IntelCollateral` creates its own, because a contract may have 24,576 bytes.
interface ICertificateParser {
    /// @notice Parse an X.509 certificate to its last byte; reverts with the errors of `X509` and
    ///         `Der`.
    /// @param der At most 65,535 bytes.
    /// @return What it says.
    function certificate(bytes calldata der) external view returns (Certificate memory);

    /// @notice Parse an X.509 revocation list to its last byte; reverts with the errors of
    ///         `X509Crl`, `X509` and `Der`.
    /// @param der At most 65,535 bytes.
    /// @return What it says.
    function crl(bytes calldata der) external view returns (Crl memory);
}
