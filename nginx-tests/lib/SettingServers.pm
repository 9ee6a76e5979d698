# Servers A and B, which respond with "NAME cookie=[the Cookie they received]" and set the cookies that a block lists.
#
# setting_sections(PARAMETERS) gives blocks these sections:
#   set_cookie  the Set-Cookie fields, a line each; /500 fails with these fields, /sets-nothing sets none
#   sticky      the parameters of session_sticky in "upstream u", by default PARAMETERS; /t/ is passed to it
# It also replaces ID_A and ID_B with the servers' IDs.

package SettingServers;

use strict;
use warnings;

use Exporter 'import';
use Servers;
use Test::Nginx::Socket ();

our @EXPORT = qw(setting_sections);

sub setting {
    my $add = join '', map { s/(["\\])/\\$1/gr =~ s/.*/add_header Set-Cookie "$&" always;\n/r } @_;
    return servers(<<"_EOC_", qw(A B));
location / {
$add
    return 200 "NAME cookie=[\$http_cookie]\\n";
}
location /500 {
$add
    return 500 "NAME failed\\n";
}
location /sets-nothing { return 200 "NAME cookie=[\$http_cookie]\\n"; }
_EOC_
}

sub setting_sections {
    my ($default) = @_;
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        my $parameters = $block->sticky // $default;
        my $upstream = "upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky $parameters; }\n";
        fill($block, setting(split /\n/, $block->set_cookie // '') . (defined $block->http_config ? '' : $upstream));
        $block->set_value(config => "location /t/ { proxy_pass http://u/; }\n") if !defined $block->config;
        $block->set_value(request => 'GET /t/') if !defined $block->request;
        $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") if !defined $block->no_error_log;
    });
}

1;
