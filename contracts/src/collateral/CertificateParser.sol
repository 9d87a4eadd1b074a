// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICertificateParser} from "../interfaces/ICertificateParser.sol";
import {Certificate, X509} from "../libraries/X509.sol";
import {Crl, X509Crl} from "../libraries/X509Crl.sol";

/// @title Reader of certificates and revocation lists; see `ICertificateParser`
contract CertificateParser is ICertificateParser {
    /// @inheritdoc ICertificateParser
    function certificate(bytes calldata der) external view returns (Certificate memory) {
        return X509.parse(der);
    }

    /// @inheritdoc ICertificateParser
    function crl(bytes calldata der) external view returns (Crl memory) {
        return X509Crl.parse(der);
    }
}
