# A DNS server on a UDP port of 127.0.0.1, for the directive "resolver", whose records can change while it runs.
#
#   my $dns = Resolver->new(PORT);
#   $dns->knows('app.test A 127.0.0.2 127.0.0.3', 'app.test AAAA ::1',
#               '_http._tcp.app.test SRV 10,1,1985,one.test 20,1,1985,two.test');   # priority,weight,port,target
#   $dns->knows('app.test FAILS', 'other.test SILENT');   # a server failure, and no response
#
# Each call replaces all earlier records. A name without records does not exist (NXDOMAIN).
# It runs in a process of its own, which ends with the object, and at the latest after half an hour.

package Resolver;

use strict;
use warnings;

use File::Temp;
use IO::Socket::INET;
use POSIX ();
use Socket qw(AF_INET6 inet_aton inet_pton);

use constant LIFE => 1800;
use constant {NO_ERROR => 0, SERVER_FAILURE => 2, NO_SUCH_NAME => 3};

my %type_number = (A => 1, AAAA => 28, SRV => 33);

sub new {
    my ($class, $port) = @_;
    my $socket = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1', LocalPort => $port)
        or die "no DNS server on port $port: $!";
    my $self = bless {folder => File::Temp->newdir, parent => $$}, $class;
    $self->knows();
    $self->{pid} = fork // die "cannot fork: $!";
    if (!$self->{pid}) {
        alarm LIFE;
        while (defined(my $client = $socket->recv(my $query, 512))) {
            my $response = response($query, $self->told);
            $socket->send($response, 0, $client) if length $response;
        }
        POSIX::_exit(0);
    }
    return $self;
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{parent};
    local $?;
    kill TERM => $self->{pid};
    waitpid $self->{pid}, 0;
}

sub knows {
    my ($self, @lines) = @_;
    my $file = $self->{folder} . '/names';
    open my $new, '>', "$file.new" or die "cannot write $file.new: $!";
    print $new map { "$_\n" } @lines;
    close $new or die "cannot write $file.new: $!";
    rename "$file.new", $file or die "cannot write $file: $!";
}

# {name => {type => [values]}}
sub told {
    my ($self) = @_;
    my %names;
    open my $file, '<', $self->{folder} . '/names' or return \%names;
    while (readline $file) {
        my ($name, $type, @values) = split ' ';
        $names{$name}{$type} = \@values if defined $type;
    }
    return \%names;
}

# The response to a query, or nothing.
sub response {
    my ($query, $told) = @_;
    return '' if length $query < 17;
    my ($id) = unpack 'n', $query;
    my ($at, @labels) = (12);
    while (my $length = unpack 'C', substr($query, $at, 1) // "\0") {
        push @labels, substr $query, $at + 1, $length;
        $at += 1 + $length;
        return '' if $at + 5 > length $query;
    }
    my $question = substr $query, 12, $at + 5 - 12;
    my ($type) = unpack 'n', substr $query, $at + 1, 2;

    my $known = $told->{lc join '.', @labels};
    return '' if $known && $known->{SILENT};
    my $code = !$known ? NO_SUCH_NAME : $known->{FAILS} ? SERVER_FAILURE : NO_ERROR;

    my @answers;
    for my $name (grep { $type_number{$_} == $type } keys %type_number) {
        for my $value (@{$known && $known->{$name} // []}) {
            # 0xc00c: the name of the question
            push @answers, "\xc0\x0c" . record($type, data($name, $value));
        }
    }
    return pack('n6', $id, 0x8180 | $code, 1, scalar @answers, 0, 0) . join '', $question, @answers;
}

sub data {
    my ($type, $value) = @_;
    return inet_aton($value) if $type eq 'A';
    return inet_pton(AF_INET6, $value) if $type eq 'AAAA';
    my ($priority, $weight, $port, $target) = split /,/, $value;
    return pack('n3', $priority, $weight, $port) . join('', map { pack 'C/a', $_ } split /\./, $target) . "\0";
}

sub record {
    my ($type, $data) = @_;
    return pack 'n n N n/a', $type, 1, 1, $data;
}

1;
