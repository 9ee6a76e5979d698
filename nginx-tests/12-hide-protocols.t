# fastcgi_pass, uwsgi_pass, scgi_pass and grpc_pass: the session is honoured, and the cookie hidden before the request
# to the backend is made, as with proxy_pass.
#
# The FastCGI, uwsgi and SCGI servers are small ones of this file's own. Each answers with its name and what it was
# given as HTTP_COOKIE, in brackets, or "no Cookie". The gRPC servers are nginx's.
#
# Section of this file's own:
#   sticky  the parameters of session_sticky in every upstream; each has the servers A and B; a first visitor gets A
# ID_x stands for the id of server x; FA is server A of the upstream fastcgi, and so on: UA, SA, GA.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::Nginx::Socket 'no_plan';

my %port = (FA => 1985, FB => 1986, UA => 1987, UB => 1988, SA => 1989, SB => 1990, GA => 1991, GB => 1992);

# --- the protocols: undef while the request is not all there, else its variables and what to say before and after

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
    return (\%variables, sub {
        my ($text) = @_;
        pack('CCnnCx', 1, 6, 1, length $text, 0) . $text . pack('CCnnCx', 1, 6, 1, 0, 0)
            . pack('CCnnCxNCx3', 1, 3, 1, 8, 0, 0, 0);
    });
}

# https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html
sub uwsgi {
    my ($bytes) = @_;
    return if length $bytes < 4;
    my $size = unpack 'xv', $bytes;
    return if length $bytes < 4 + $size;
    my %variables = unpack '(v/a)*', substr $bytes, 4, $size;
    return (\%variables, sub { $_[0] });
}

# https://python.ca/scgi/protocol.txt
sub scgi {
    my ($bytes) = @_;
    my ($size) = $bytes =~ /^(\d+):/ or return;
    return if length $bytes < length($size) + 1 + $size + 1;
    my %variables = substr($bytes, length($size) + 1, $size) =~ /([^\0]*)\0([^\0]*)\0/g;
    return (\%variables, sub { $_[0] });
}

my %protocol = (F => \&fastcgi, U => \&uwsgi, S => \&scgi);

sub answer {
    my ($name, $bytes) = @_;
    my ($variables, $framed) = $protocol{substr $name, 0, 1}->($bytes) or return;
    return if !$framed;
    my $cookie = exists $variables->{HTTP_COOKIE} ? "[$variables->{HTTP_COOKIE}]" : 'no Cookie';
    return $framed->("Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n$name $cookie\n");
}

# --- the servers: one process, many connections, gone with its parent

sub serve {
    my (%listening) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $parent = getppid;
    my $select = IO::Select->new(map { $_->{socket} } values %listening);
    my %read;
    while (getppid == $parent) {
        for my $ready ($select->can_read(1)) {
            if (my $server = $listening{fileno $ready}) {
                my $client = $ready->accept or next;
                $read{$client} = [$server->{name}, ''];
                $select->add($client);
                next;
            }
            my $state = $read{$ready};
            my $got = sysread $ready, $state->[1], 65536, length $state->[1];
            my $answer = $got ? answer(@$state) : '';
            next if !defined $answer;
            syswrite $ready, $answer;
            delete $read{$ready};
            $select->remove($ready);
            close $ready;
        }
    }
}

my %listening;
for my $name (grep { $protocol{substr $_, 0, 1} } keys %port) {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port{$name}, Listen => 64, ReuseAddr => 1)
        or BAIL_OUT("cannot listen on port $port{$name}: $@");
    $listening{fileno $socket} = {name => $name, socket => $socket};
}
my $main = $$;
my $servers = fork // BAIL_OUT("fork: $!");
if (!$servers) {
    serve(%listening);
    POSIX::_exit(0);
}
%listening = ();
END { kill 'TERM', $servers if $servers && $$ == $main }

# --- the blocks

sub fill {
    my ($text) = @_;
    return [map { fill($_) } @$text] if ref $text eq 'ARRAY';
    return $text if !defined $text || ref $text;
    $text =~ s/\bID_([A-Z]{2})\b/md5_hex("127.0.0.1:$port{$1}")/ge;
    return $text;
}

# HTTP/2 is switched on in another place since nginx 1.25.1.
sub grpc_server {
    my ($name) = @_;
    my $new = $Test::Nginx::Util::NginxVersion >= 1.025001;
    my ($option, $directive) = $new ? ('', 'http2 on;') : (' http2', '');
    return <<"_EOC_";
server {
    listen 127.0.0.1:$port{$name}$option;
    $directive
    location / { default_type application/grpc; return 200 "$name [\$http_cookie]\\n"; }
}
_EOC_
}

my %initial = (fastcgi => 'F', uwsgi => 'U', scgi => 'S', grpc => 'G');

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => join '', grpc_server('GA'), grpc_server('GB'), map {
        my $i = $initial{$_};
        "upstream $_ { server 127.0.0.1:$port{$i . 'A'}; server 127.0.0.1:$port{$i . 'B'}; session_sticky "
        . $block->sticky . "; }\n"
    } sort keys %initial);
    $block->set_value(config => <<'_EOC_') if !defined $block->config;
location /fastcgi { fastcgi_pass fastcgi; fastcgi_param REQUEST_METHOD $request_method; }
location /uwsgi   { uwsgi_pass uwsgi; uwsgi_param REQUEST_METHOD $request_method; }
location /scgi    { scgi_pass scgi; scgi_param REQUEST_METHOD $request_method; }
location /grpc    { grpc_pass grpc://grpc; }
_EOC_
    $block->set_value(no_error_log => qr/\[(?:warn|error|crit|alert|emerg)\]/) if !defined $block->no_error_log;
    $block->set_value($_ => fill($block->$_)) for grep { defined $block->$_ } qw(more_headers response_headers);
});

log_level('info');
no_long_string();
no_root_location();
no_shuffle();
run_tests();

__DATA__

=== the first visit is bound
--- sticky: option=indirect
--- request eval
["GET /fastcgi", "GET /uwsgi", "GET /scgi", "GET /grpc"]
--- more_headers
Cookie: a=b
--- response_body eval
["FA [a=b]\n", "UA [a=b]\n", "SA [a=b]\n", "GA [a=b]\n"]
--- response_headers eval
[map { "Set-Cookie: route=ID_$_; Path=/" } qw(FA UA SA GA)]



=== option=indirect: the session is honoured, the cookie hidden, the others stay
--- sticky: option=indirect
--- request eval
["GET /fastcgi", "GET /uwsgi", "GET /scgi", "GET /grpc"]
--- more_headers eval
[map { "Cookie: a=b; route=ID_$_; c=d" } qw(FB UB SB GB)]
--- response_body eval
["FB [a=b; c=d]\n", "UB [a=b; c=d]\n", "SB [a=b; c=d]\n", "GB [a=b; c=d]\n"]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]



=== option=indirect: no HTTP_COOKIE at all when nothing is left
--- sticky: option=indirect
--- request eval
["GET /fastcgi", "GET /uwsgi", "GET /scgi", "GET /grpc"]
--- more_headers eval
[map { "X-One: 1\nCookie: route=ID_$_\nX-Two: 2" } qw(FB UB SB GB)]
--- response_body eval
["FB no Cookie\n", "UB no Cookie\n", "SB no Cookie\n", "GB []\n"]



=== option=direct: the backend sees the cookie
--- sticky: option=direct
--- request eval
["GET /fastcgi", "GET /uwsgi", "GET /scgi", "GET /grpc"]
--- more_headers eval
[map { "Cookie: a=b; route=ID_$_" } qw(FB UB SB GB)]
--- response_body eval
[map { main::fill("$_ [a=b; route=ID_$_]\n") } qw(FB UB SB GB)]



=== mode=prefix: the backend sees its own value
--- sticky: mode=prefix
--- request eval
["GET /fastcgi", "GET /uwsgi", "GET /scgi", "GET /grpc"]
--- more_headers eval
[map { "Cookie: a=b; route=ID_$_~x~y" } qw(FB UB SB GB)]
--- response_body eval
["FB [a=b; route=x~y]\n", "UB [a=b; route=x~y]\n", "SB [a=b; route=x~y]\n", "GB [a=b; route=x~y]\n"]



=== session_sticky_hide_cookie where the upstream is in a variable
--- sticky: option=indirect
--- config
session_sticky_hide_cookie upstream=fastcgi;
location /fastcgi { set $to fastcgi; fastcgi_pass $to; fastcgi_param REQUEST_METHOD $request_method; }
location /uwsgi   { set $to uwsgi; uwsgi_pass $to; session_sticky_hide_cookie upstream=uwsgi; }
location /scgi    { set $to scgi; scgi_pass $to; session_sticky_hide_cookie upstream=scgi; }
location /grpc    { set $to grpc; grpc_pass grpc://$to; session_sticky_hide_cookie upstream=grpc; }
--- request eval
["GET /fastcgi", "GET /uwsgi", "GET /scgi", "GET /grpc"]
--- more_headers eval
[map { "Cookie: a=b; route=ID_$_; c=d" } qw(FB UB SB GB)]
--- response_body eval
["FB [a=b; c=d]\n", "UB [a=b; c=d]\n", "SB [a=b; c=d]\n", "GB [a=b; c=d]\n"]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]



=== try_files to a named location: bound and hidden
--- sticky: option=indirect
--- config
location / { try_files /nonexistent @php; }
location @php { fastcgi_pass fastcgi; fastcgi_param REQUEST_METHOD $request_method; }
--- request: GET /t
--- more_headers
Cookie: route=ID_FB; a=b
--- response_body
FB [a=b]
--- response_headers
!Set-Cookie
