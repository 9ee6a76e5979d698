# Servers for the other protocols that nginx passes requests to: FastCGI, uwsgi, SCGI and gRPC. Each has two servers: FA and FB,
# UA and UB, SA and SB, GA and GB, which have entries in %port and IDs such as ID_FA (lib/Servers.pm). HA and HB use HTTP.
#
# protocol_sections() starts them and gives blocks these sections:
#   sticky    the parameters of session_sticky in the upstreams fastcgi, uwsgi, scgi, grpc and http
#   inside    directives of the locations /fastcgi, /uwsgi ..., which pass to them; NAME is the upstream's name
#   config    other locations
# Port 1995 has the locations over HTTP/2. A block may log nothing from [warn] on, except that the upstreams share a cookie.
#
# A server responds with "NAME [COOKIE]", or "NAME no Cookie". For paths below /NAME/sets it sets the cookies
# "test=abc; Path=/" and "mytest=abc", below /NAME/missing the status is 404, and below /NAME/failing it is 503.

package Protocols;

use strict;
use warnings;

use Exporter 'import';
use Nginx;
use Quiet;
use RawServers;
use Servers;
use Test::Nginx::Socket ();

our @EXPORT = qw(protocol_sections);

# The upstreams share a cookie.
may_warn(qr/ is also that of upstream /);

%port = (FA => 1985, FB => 1986, UA => 1987, UB => 1988, SA => 1989, SB => 1990, GA => 1991, GB => 1992, HA => 1993, HB => 1994);

# The protocols: each returns the variables of a request, undef while it is incomplete.

# https://fastcgi-archives.github.io/FastCGI_Specification.html
sub fastcgi {
    my ($bytes) = @_;
    my ($params, $done) = ('', 0);
    while (length $bytes >= 8) {
        my ($type, $length, $padding) = unpack 'xCxxnC', $bytes;
        return if length $bytes < 8 + $length + $padding;
        my $content = substr $bytes, 8, $length;
        substr($bytes, 0, 8 + $length + $padding) = '';
        $params .= $content if $type == 4;
        $done = 1 if $type == 5 && !$length;
    }
    return if !$done;

    my %variables;
    while (length $params) {
        my @length;
        for (0, 1) {
            my $long = ord($params) & 0x80;
            push @length, $long ? unpack('N', $params) & 0x7fffffff : ord $params;
            substr($params, 0, $long ? 4 : 1) = '';
        }
        my $name = substr $params, 0, $length[0], '';
        $variables{$name} = substr $params, 0, $length[1], '';
    }
    return \%variables;
}

# https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html
sub uwsgi {
    my ($bytes) = @_;
    return if length $bytes < 4;
    my $size = unpack 'xv', $bytes;
    return if length $bytes < 4 + $size;
    my %variables = unpack '(v/a)*', substr $bytes, 4, $size;
    return \%variables;
}

# https://python.ca/scgi/protocol.txt
sub scgi {
    my ($bytes) = @_;
    my ($size) = $bytes =~ /^(\d+):/ or return;
    return if length $bytes < length($size) + 1 + $size + 1;
    my %variables = substr($bytes, length($size) + 1, $size) =~ /([^\0]*)\0([^\0]*)\0/g;
    return \%variables;
}

my %protocol = (F => \&fastcgi, U => \&uwsgi, S => \&scgi);

sub answer {
    my ($name, $bytes) = @_;
    my $kind = substr $name, 0, 1;
    my $variables = $protocol{$kind}->($bytes) or return;
    my $seen = exists $variables->{HTTP_COOKIE} ? "[$variables->{HTTP_COOKIE}]" : 'no Cookie';
    my $uri = $variables->{REQUEST_URI} // '';
    my $status = $uri =~ m{^/\w+/missing} ? '404 Not Found' : $uri =~ m{^/\w+/failing} ? '503 Unavailable' : '200 OK';
    my $set = $uri =~ m{^/\w+/sets} ? "Set-Cookie: test=abc; Path=/\r\nSet-Cookie: mytest=abc\r\n" : '';
    my $text = "Status: $status\r\nContent-Type: text/plain\r\n$set\r\n$name $seen\n";
    return "HTTP/1.0 $status\r\n$text" if $kind eq 'U';
    return $text if $kind eq 'S';
    return pack('CCnnCx', 1, 6, 1, length $text, 0) . $text . pack('CCnnCx', 1, 6, 1, 0, 0)
        . pack('CCnnCxNCx3', 1, 3, 1, 8, 0, 0, 0);
}

# The gRPC and HTTP servers are nginx's own.
sub nginx_server {
    my ($name) = @_;
    my $address = "127.0.0.1:$port{$name}";
    my $listens = $name =~ /^G/ ? listens_http2($address) : "listen $address;";
    return <<"_EOC_";
server {
    $listens
    default_type application/grpc;
    set \$seen "[\$http_cookie]";
    if (\$http_cookie = "") { set \$seen "no Cookie"; }
    location / { return 200 "$name \$seen\\n"; }
    location ~ ^/\\w+/missing { return 404 "$name \$seen\\n"; }
    location ~ ^/\\w+/failing { return 503 "$name \$seen\\n"; }
    location ~ ^/\\w+/sets {
        add_header Set-Cookie "test=abc; Path=/";
        add_header Set-Cookie "mytest=abc";
        return 200 "$name \$seen\\n";
    }
}
_EOC_
}

my %initial = (fastcgi => 'F', uwsgi => 'U', scgi => 'S', grpc => 'G', http => 'H');
my %pass = (grpc => 'grpc_pass grpc://grpc;', http => 'proxy_pass http://http;', map {
    $_ => "${_}_pass $_; ${_}_param REQUEST_METHOD \$request_method; ${_}_param REQUEST_URI \$request_uri;"
} qw(fastcgi uwsgi scgi));

sub protocol_sections {
    raw_servers({map { $_ => $port{$_} } grep { $protocol{substr $_, 0, 1} } keys %port}, \&answer);
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        my $http = join '', map { nginx_server($_) } qw(GA GB HA HB);
        my $locations = '';
        for my $name (sort keys %initial) {
            my @at = map { "server 127.0.0.1:$port{$initial{$name} . $_};" } qw(A B);
            $http .= "upstream $name { @at session_sticky " . $block->sticky . "; }\n";
            my $inside = ($block->inside // '') =~ s/\bNAME\b/$name/gr;
            $locations .= "location /$name { $inside $pass{$name} }\n";
        }
        $http .= 'server { ' . listens_http2('127.0.0.1:1995') . " $locations }\n";
        $block->set_value(config => $locations) if !defined $block->config;
        $block->set_value(request => 'GET /idle') if !defined $block->request;
        $block->set_value(config => $block->config . 'location = /idle { return 200; }') if $block->config !~ m{/idle };
        $block->set_value(no_error_log => [qr/\[warn\](?!.* is also that of upstream )/, '[error]', '[crit]', '[alert]', '[emerg]']);
        fill($block, $http, qw(http2_request http2_answer http2_cookie));
    });
}

1;
